import { execFile } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import t from 'tap'
import { cleanEnv } from '../support/clean-env.ts'

const execute = promisify(execFile)
const root = fileURLToPath(new URL('../../', import.meta.url))

async function matrix (...args: string[]): Promise<string> {
  const command = [...cleanEnv, process.execPath, 'bench/matrix.js', ...args]
  const { stdout } = await execute('env', command, { cwd: root })
  return stdout
}

type Cells = Record<string, Record<string, { good: boolean, text: string }>>

t.test('the matrix tells a good end from a bad one', { timeout: 300_000 }, async (t) => {
  const inFlight = '2'
  const newConnections = '4'
  const blocked = '14'
  const cells = JSON.parse(await matrix(
    '--only', 'plain close,fastify-graceful', '--ways', [inFlight, newConnections, blocked].join(','), '--print'
  )) as Cells
  const plain = cells['plain close']!
  t.match(plain[inFlight], { good: true, text: /^exit 0, \d+ s$/ })
  t.match(plain[newConnections], { good: false, text: /^\d+ of \d+ lost \(.*refused.*\); exit 0/ })
  t.match(plain[blocked], { good: false, text: 'hangs' })
  const ours = cells['fastify-graceful']!
  for (const way of [inFlight, newConnections]) t.match(ours[way], { good: true, text: /^exit 0, \d+ s$/ })
  t.match(ours[blocked], { good: true, text: /^exit 1, \d+ s$/ })
})

t.test('the page has every peer and every way, as they were measured', async () => {
  await matrix('--check')
})

t.test('a peer or a way that is not there is refused by name', async (t) => {
  const message = /^no peer or way: stopable; peers are plain close, /
  await t.rejects(matrix('--only', 'stopable'), { code: 64, stderr: message })
  await t.rejects(matrix('--ways', '18'), { code: 64, stderr: /^no peer or way: 18/ })
})
