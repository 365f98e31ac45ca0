import { setTimeout as sleep } from 'node:timers/promises'

/** Looks every 10 ms until it is so. @throws Error that says what was waited for, after 20 s */
export async function until (condition: () => boolean, what: string): Promise<void> {
  const end = Date.now() + 20_000
  while (!condition()) {
    if (Date.now() > end) throw new Error(`waited 20 s until ${what}`)
    await sleep(10)
  }
}
