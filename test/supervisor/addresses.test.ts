import { spawnSync } from 'node:child_process'
import t from 'tap'
import type { Test } from 'tap'
import { fork } from '../process/fork.ts'
import type { ForkOptions } from '../process/fork.ts'
import { networks } from '../support/networks.ts'
import { service, start } from './tree.ts'

/** Starts a supervisor on `::`, and answers its address and who has answered at 127.0.0.1 and ::1. */
async function supervise (t: Test, options: ForkOptions): Promise<{ address: string, answers: boolean[][] }> {
  const given = { addresses: ['127.0.0.1', '::1'], ...options.given as object }
  const [code, , output] = await fork('../../supervisor/fixtures/addresses.js', { ...options, given }).result
  t.equal(code, 0, output)
  const [, address = ''] = /^address (.*)$/m.exec(output) ?? []
  const answers = ['service', 'supervisor'].map((who) => {
    const [, outcomes = '[]'] = new RegExp(`^${who} answers (.*)$`, 'm').exec(output) ?? []
    // How an address is not there depends on the kernel.
    return (JSON.parse(outcomes) as unknown[]).map((outcome) => outcome === 200)
  })
  return { address, answers }
}

for (const [name, { under, answers }] of Object.entries(networks)) {
  const [program = '', ...flags] = under
  const isPossible = spawnSync('env', ['-u', 'NODE_OPTIONS', program, ...flags, 'true']).status === 0
  const skip = !isPossible && 'no network may be made here'
  // Scenario (Foreign parties): A supervisor's port on `::`, and a service on it, with IPv6 alone, IPv4 alone, both,
  // and on a kernel without IPv6
  t.test(`a status port on :: and a service on it, where there is ${name}`, { skip }, async (t) => {
    const { address, answers: given } = await supervise(t, { under })
    t.match(address, /^http:\/\/(?:\[::\]|127\.0\.0\.1):\d+$/)
    t.same(given, [answers, answers])
  })
}

// Scenario, too: A supervisor's port on `::`…
t.test('a status port on :: where the kernel has no IPv6 is on the addresses of IPv4', async (t) => {
  const { address, answers } = await supervise(t, { given: { code: 'EAFNOSUPPORT' } })
  t.match(address, /^http:\/\/\d+\.\d+\.\d+\.\d+:\d+$/)
  t.same(answers, [[true, false], [true, false]])
})

// Scenario, too: A supervisor's port on `::`…
t.test('a status port on an address that this machine does not have goes nowhere else', async (t) => {
  const tree = start(t, ['run', '--status-port', '0', '--status-host', '192.0.2.1', service])
  t.same(await tree.result, [1, null])
  t.match(tree.output(), /expected statusPort \(--status-port\)[^]*, got listen EADDRNOTAVAIL/)
  t.notMatch(tree.output(), 'status routes at')
})
