import { lstatSync, unlinkSync } from 'node:fs'
import { connect } from 'node:net'

/**
 * Removes the unix socket that a killed process has left behind: nobody answers on it, and it would stand in the way of `listen`.
 * One that somebody answers on, and whatever else is there, is left alone.
 */
export async function clearSocket (path: string): Promise<void> {
  if (lstatSync(path, { throwIfNoEntry: false })?.isSocket() !== true) return
  const isDead = await new Promise<boolean>((resolve) => {
    const socket = connect(path, () => {
      socket.destroy()
      resolve(false)
    })
    socket.once('error', ({ code }: NodeJS.ErrnoException) => resolve(code === 'ECONNREFUSED'))
  })
  if (isDead) unlinkSync(path)
}
