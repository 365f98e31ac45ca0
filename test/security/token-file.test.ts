import { execFileSync } from 'node:child_process'
import { mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import t from 'tap'
import type { Test } from 'tap'
import { readEnvironment } from '../../lib/environment.ts'
import { inTime, Stopwatch } from '../support/stopwatch.ts'

const token = 'a-token-of-27-characters-ok'
const name = 'GRACEFUL_ADMIN_TOKEN_FILE'

function directory (t: Test): string {
  const made = mkdtempSync(join(tmpdir(), 'graceful-token-'))
  t.teardown(() => rmSync(made, { recursive: true, force: true }))
  return made
}

const read = (path: string, env: NodeJS.ProcessEnv = {}): unknown =>
  readEnvironment({ ...env, [name]: path }).options['admin.token']

// Scenario, too: Variables that are blank…
t.test('the token comes from a file, which is read once at boot', async (t) => {
  const made = directory(t)
  const file = join(made, 'token')
  const rows = [
    [token, [token]],
    [`${token}\n`, [token]],
    [`${token}\r\n`, [token]],
    [`${token}, ${token}2`, [token, `${token}2`]]
  ] as const
  for (const [content, expected] of rows) {
    writeFileSync(file, content)
    t.strictSame(read(file), expected, JSON.stringify(content))
  }
  // As a kubelet lays a Secret.
  symlinkSync('token', join(made, 'link'))
  t.strictSame(read(join(made, 'link')), [token, `${token}2`])
  t.equal(readEnvironment({ [name]: '' }).options['admin.token'], undefined, 'an empty variable is not set')
})

// Scenario, too: Variables that are blank…
t.test('a file that holds no token is refused, and nothing of it is shown', async (t) => {
  const made = directory(t)
  const file = join(made, 'token')
  const secret = 'secret-of-34-characters-never-shown'
  const refused = (path: string, why: RegExp, env?: NodeJS.ProcessEnv): void => {
    const error = t.throws(() => read(path, env), { code: 'FST_GRACEFUL_INVALID_ENVIRONMENT' }) as unknown as Error
    t.match(error.message, `'${name}' must be the absolute path of a file with tokens of at least 16 visible`)
    t.match(error.message, why)
    t.notMatch(error.message, secret.slice(0, 8))
    t.ok(error.message.length < 500)
  }
  const contents = [
    '', '\n', ' ', 'short', `${secret}\n${secret}`, ` ${secret} x`, `${secret}\0`, `${secret}\u00e9`,
    secret.repeat(1000), Buffer.from([0xff, 0xfe])
  ]
  for (const content of contents) {
    writeFileSync(file, content)
    refused(file, /another content, which is not shown/)
  }
  writeFileSync(file, secret)
  refused(file, /beside GRACEFUL_ADMIN_TOKEN: give one of the two/, { GRACEFUL_ADMIN_TOKEN: token })
  refused('token', /no absolute path/)
  refused(' ', /no absolute path/)
  refused(join(made, 'absent'), /ENOENT/)
  refused(made, /EISDIR/)
  refused(`/${'x'.repeat(100_000)}`, /ENAMETOOLONG/)
  const watch = new Stopwatch(process.pid)
  execFileSync('mkfifo', [join(made, 'fifo')])
  refused(join(made, 'fifo'), /another content|EAGAIN/)
  inTime(t, watch.stop(), [0, 2000], 'a FIFO is not waited for:')
})
