import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { text } from 'node:stream/consumers'
import t from 'tap'

/** Says of each standard stream whether it was made, and whether a write to its pipe would wait. */
const look = `
  import { readFileSync, writeSync } from 'node:fs'
  const waits = (fd) => (Number.parseInt(/^flags:\\s*(\\d+)/m.exec(readFileSync('/proc/self/fdinfo/' + fd, 'latin1'))[1], 8) & 0o4000) === 0
`
const cases: Record<string, string> = {
  'the plugin, imported': `import '#package'`,
  'the supervisor, imported': `import '#package/cluster'`,
  'the early listeners, imported': `import '#package/signals'`,
  'an application that listens and is closed': `
    import Fastify from 'fastify'
    import graceful from '#package'
    const app = Fastify()
    await app.register(graceful, { guardian: false })
    await app.listen({ port: 0, host: '127.0.0.1' })
    await app.close()`
}

for (const [name, code] of Object.entries(cases)) {
  t.test(`pipes of the standard streams stay as they are: ${name}`, { skip: process.platform !== 'linux' && 'no /proc here' }, async (t) => {
    const source = `${look}\n${code.replaceAll('#package', 'fastify-graceful')}\nwriteSync(1, JSON.stringify([1, 2].map(waits)))`
    // A pipe of the shell's: those of `spawn` are sockets.
    const child = spawn('sh', ['-c', '"$0" --input-type=module --eval "$1" 2>&1 | cat', process.execPath, source], { stdio: ['ignore', 'pipe', 'inherit'] })
    t.teardown(() => child.kill('SIGKILL'))
    const [output] = await Promise.all([text(child.stdout), once(child, 'close')])
    t.equal(output.slice(-11), '[true,true]', output)
  })
}
