import { spawnSync } from 'node:child_process'
import { EventEmitter } from 'node:events'
import { createServer } from 'node:net'
import type { Server } from 'node:net'
import t from 'tap'
import { openPort } from '../../lib/watchdog/thread/server.ts'
import type { ToMain } from '../../lib/watchdog/protocol.ts'
import { fork } from '../process/fork.ts'
import { networks } from '../support/networks.ts'

for (const [name, { host, under, answers }] of Object.entries(networks)) {
  const [program = '', ...flags] = under
  const isPossible = spawnSync('env', ['-u', 'NODE_OPTIONS', program, ...flags, 'true']).status === 0
  const skip = !isPossible && 'no network may be made here'
  // Scenario (Foreign parties): The watchdog's port with IPv6 alone, IPv4 alone, both, and on a kernel without IPv6
  t.test(`the port is there where there is ${name}`, { skip }, async (t) => {
    const given = { host, addresses: ['127.0.0.1', '[::1]'] }
    const app = fork('../../watchdog/fixtures/addresses.js', { given, under })
    const [code, , output] = await app.result
    t.equal(code, 0, output)
    const [, outcomes = 'null'] = /^answers (.*)$/m.exec(output) ?? []
    // How an address is not there depends on the kernel.
    t.same((JSON.parse(outcomes) as string[]).map((outcome) => outcome === 'ok'), answers)
  })
}

/** A server on a machine that has no IPv6 at all, which no network namespace can be; the rest is a real one. */
function withoutIpv6 (code: string): { server: Server, asked: string[] } {
  const server = createServer()
  const asked: string[] = []
  const listen = server.listen.bind(server) as (options: object) => Server
  server.listen = ((options: { host: string }) => {
    asked.push(options.host)
    if (options.host !== '::') return listen(options)
    const error = Object.assign(new Error(`listen ${code}: address family not supported ::`), { code })
    process.nextTick(() => server.emit('error', error))
    return server
  }) as Server['listen']
  return { server, asked }
}

// Scenario, too: The watchdog's port with IPv6 alone…
t.test('where the kernel has no IPv6 it is the address of IPv4, and nothing is said', async (t) => {
  for (const code of ['EAFNOSUPPORT', 'EADDRNOTAVAIL']) {
    const { server, asked } = withoutIpv6(code)
    t.teardown(() => server.close())
    const told = await new Promise<ToMain>((resolve) => { openPort(server, { port: 0, host: '::' }, resolve) })
    t.match(told, { type: 'listening', port: Number })
    t.same(asked, ['::', '0.0.0.0'])
  }
})

// Scenario, too: The watchdog's port with IPv6 alone…
t.test('an address that was asked for is no other', async (t) => {
  const server = new EventEmitter() as Server
  const asked: unknown[] = []
  Object.assign(server, { listening: false, listen: ({ host }: { host: string }) => { asked.push(host) } })
  const told: ToMain[] = []
  openPort(server, { port: 9000, host: '::1' }, (message) => told.push(message))
  const error = Object.assign(new Error('not here'), { code: 'EADDRNOTAVAIL' })
  for (let times = 0; times < 2; times++) server.emit('error', error)
  t.same(asked, ['::1'], 'it is not tried elsewhere')
  const message = 'the watchdog cannot listen on ::1:9000, and tries again each second: not here'
  t.same(told, [{ type: 'warning', message }], 'told once')
})
