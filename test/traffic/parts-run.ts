// npm run parts -- [part…] [file…]: runs every file of this folder that loads the sources into its own process, once
// without each private part of Node, Fastify and avvio. It takes an hour on two processors.
import { readdirSync } from 'node:fs'
import { different, failuresOf, parts, runWithout, unchecked } from './parts.ts'

const jobs = 4
/** These take parts away themselves, or run what is built. */
const others = ['missing-parts.test.ts', 'without-parts.test.ts', 'fastify-own.test.ts']
const given = process.argv.slice(2)
const of = (names: string[], all: string[]): string[] => names.length > 0 ? names : all
const files = of(given.filter((name) => name.endsWith('.ts')),
  readdirSync(import.meta.dirname).filter((name) => name.endsWith('.test.ts') && !others.includes(name)))
// What only a process below a parent uses is tried in test/process and test/supervisor.
const alone = parts.filter(([, , place = 'alone']) => place === 'alone').map(([part]) => part)
const queue = of(given.filter((name) => !name.endsWith('.ts')), [...alone, ...unchecked])
  .flatMap((part) => files.map((file) => ({ part, file })))
const { length } = queue
let failed = 0

await Promise.all(Array.from({ length: jobs }, async () => {
  for (let next = queue.shift(); next !== undefined; next = queue.shift()) {
    const { part, file } = next
    const from = performance.now()
    const known = different[part]?.[file] ?? []
    const failures = failuresOf(await runWithout(part, file)).filter((name) => !known.some((one) => name.startsWith(one)))
    const result = failures.length === 0 ? 'ok' : 'not ok'
    console.log(`${result} - ${file} without ${part}, ${Math.round(performance.now() - from)} ms`)
    for (const failure of failures) console.log(`  ${failure}`)
    if (failures.length > 0) failed++
  }
}))
console.log(`${length} runs, ${failed} failed`)
process.exit(failed === 0 ? 0 : 1)
