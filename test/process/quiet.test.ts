import t from 'tap'
import { fork } from './fork.ts'

// Scenario (Health): A service without a logger
t.test('warnings and errors are seen once, by whoever has no logger too', async (t) => {
  const rows: Array<[name: string, logger: unknown, plain: number, json: number]> = [
    ['no logger', false, 1, 0],
    ['a logger', true, 0, 1],
    ['a logger that shows errors only', { level: 'error' }, 0, 0],
    ['a logger that was silenced', { level: 'silent' }, 0, 0],
    ['a logger that shows all', { level: 'trace' }, 0, 1]
  ]
  for (const [name, logger, plain, json] of rows) {
    const service = fork('parent.js', {
      given: { server: { logger, http2: true }, hides: true, options: { signals: { SIGHUP: 'ignore' } } }
    })
    await service.waitForLine(/^pid /m)
    service.kill('SIGHUP')
    await new Promise((resolve) => { setTimeout(resolve, 200) })
    service.kill('SIGTERM')
    const [code,, output] = await service.result
    t.equal(code, 0, name)
    for (const text of ['this server speaks HTTP/2 without TLS', 'SIGHUP']) {
      const lines = output.split('\n')
        .filter((line) => line.includes(text) && !line.includes('"level":20') && !line.includes('"level":30'))
      t.strictSame(
        [
          lines.filter((line) => line.startsWith('fastify-graceful: ')).length,
          lines.filter((line) => line.startsWith('{')).length
        ],
        [plain, json],
        `${name}: ${text}: ${output}`
      )
    }
  }
})

t.test('an error of several lines is one line, and what is merely told stays away', async (t) => {
  const service = fork('parent.js', { given: { server: { logger: false }, fails: 'two\nlines' } })
  await service.waitForLine(/^pid /m)
  service.kill('SIGTERM')
  const [code,, output] = await service.result
  t.equal(code, 1, 'a hook has failed')
  const lines = output.split('\n').filter((line) => line.startsWith('fastify-graceful: '))
  t.equal(lines.filter((line) => line.includes('two lines')).length, 2, 'the failure, and the report')
  t.equal(lines.length, 2, output)
})
