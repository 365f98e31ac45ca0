import { spawn } from 'node:child_process'
import { randomUUID } from 'node:crypto'
import { once } from 'node:events'
import { readFileSync, readdirSync } from 'node:fs'
import { text } from 'node:stream/consumers'
import { setTimeout as sleep } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import t from 'tap'
import type { Test } from 'tap'
import { cleanEnv } from '../../support/clean-env.ts'

t.setTimeout(280_000)

const at = (path: string): string => fileURLToPath(new URL(path, import.meta.url))
const cli = at('../../../dist/cli/index.js')
const service = at('fixtures/service.cjs')
const example = at('../../../examples/service/server.js')

/** Few replicas, and no time that nothing is seen in. */
const short = ['--replicas', '1', '--rate', '60', '--warm-up', '300ms', '--cool-down', '200ms']

interface Outcome { code: number | null, output: string, errors: string }

/** The mark of what a test has started, in the environment, and who of it is left. */
const mark = (): { name: string, left: () => string[] } => {
  const name = `DRILL_MARK=${randomUUID()}`
  const isMarked = (pid: string): boolean => {
    try {
      return readFileSync(`/proc/${pid}/environ`, 'latin1').includes(name)
    } catch {
      return false
    }
  }
  return { name, left: () => readdirSync('/proc').filter((pid) => /^\d+$/.test(pid) && isMarked(pid)) }
}

async function drill (t: Pick<Test, 'teardown'>, args: readonly string[], env: readonly string[] = []): Promise<Outcome> {
  const child = spawn('env', [...cleanEnv, ...env, process.execPath, cli, 'drill', ...args], {
    stdio: ['ignore', 'pipe', 'pipe']
  })
  t.teardown(() => child.kill('SIGTERM'))
  const [output, errors, [code]] = await Promise.all([
    text(child.stdout), text(child.stderr), once(child, 'exit') as Promise<[number | null]>
  ])
  return { code, output, errors }
}

// Scenario (The rehearsal of an update): The command `drill` on the example, and on a service without the plugin
t.test('the example loses nothing, and each event is a line', async (t) => {
  const { code, output, errors } = await drill(
    t, [...short, '--front', '0.5', '--path', '/products/7', example], ['GRACEFUL_ANNOUNCE_BLIND_SECONDS=6']
  )
  t.equal(code, 0, 'exit code', { output, errors })
  t.match(output, /^Rolling update: \S+server\.js behind a balancer that stops after 0\.5 s$/m)
  for (const phase of ['announcing', 'closing', 'draining', 'out of rotation']) {
    t.match(output, new RegExp(`^ +\\d+\\.\\d s  replica 1 old  ${phase}$`, 'm'))
  }
  t.match(output, /replica 1 old {2}terminated, exit 0$/m)
  t.match(output, /^\d+ requests, 0 lost$/m)
  t.notMatch(output, '\u001b')
  t.equal(errors, '')
})

// Scenario, too: The command `drill` on the example…
t.test('a service that ends at SIGTERM loses requests while the front goes on', async (t) => {
  const { code, output } = await drill(t, [...short, '--runs', '2', '--front', '0.7', service, '--', 'abrupt'])
  t.equal(code, 1, 'exit code', { output })
  t.match(output, /, run 2 of 2$/m)
  t.match(output, /^ +range +/m)
  t.match(output, /replica 1 old {2}terminated, exit SIGTERM$/m)
})

// Scenario (The rehearsal of an update): Services of every kind: CommonJS, TypeScript, IPv6 alone, another variable for
// the port, noise, one that ends by itself, one that ignores SIGTERM
t.test('services of every kind', async (t) => {
  const stripper = at('../../support/strip-types.js')
  const kinds: Array<[name: string, args: string[], code: number, output: RegExp]> = [
    ['CommonJS', [service], 0, /, 0 lost$/m],
    ['another variable', ['--port-env', 'HTTP_PORT', service, '--', 'plain', 'HTTP_PORT'], 0, /, 0 lost$/m],
    ['IPv6 alone', [service, 'ipv6'], 0, /, 0 lost$/m],
    ['TypeScript', ['--exec', process.execPath, '--import', stripper, at('fixtures/typed.ts')], 0, /, 0 lost$/m],
    ['noise', [service, 'noise'], 0, /, 0 lost$/m],
    ['deaf', ['--grace', '500ms', service, 'deaf'], 0, /replica 1 old {2}terminated, exit SIGKILL$/m]
  ]
  for (const [name, args, expected, pattern] of kinds) {
    // Told before the signal: nothing is lost, whatever the service does then.
    const { code, output, errors } = await drill(t, [...short, '--front', 'cloud-run', ...args])
    t.match(output, pattern, name, { errors })
    // A deaf one is killed with its idle connections, none of which has a request.
    t.equal(code, expected, `${name}: exit code`, { output, errors })
  }
  const died = await drill(t, [...short.slice(0, 4), '--warm-up', '2s', '--front', '0.2', service, 'dies-later'])
  t.match(died.output, /replica 1 old {2}terminated, exit 7$/m, 'ends by itself', { output: died })
  t.notMatch(died.output, '1 old  signalled', 'and gets no signal any more')
  t.equal(died.code, 1)
})

// Scenario (The rehearsal of an update): What the command says where a service does not start, and of wrong options
t.test('a service that does not start is exit code 2, with what it said', async (t) => {
  const boot = await drill(t, [...short, service, 'dies-at-boot'])
  t.equal(boot.code, 2)
  t.equal(boot.errors, 'replica 1 old ended with 3:\nno database: \\u001b[31mconnection refused\\u001b[0m\n')
  const unready = await drill(t, [...short, '--boot', '900ms', service, 'never-ready'])
  t.equal(unready.code, 2)
  t.match(unready.errors, 'replica 1 old is not ready after 900 ms, /readyz answers 503:')
  const elsewhere = await drill(t, [...short, '--boot', '900ms', service, 'plain', 'OTHER_PORT'])
  t.match(elsewhere.errors, /^replica 1 old is not ready after 900 ms, nobody answers on port \d+:$/m)
  const missing = await drill(t, [...short, '--exec', '/no/such/program'])
  t.equal(missing.code, 2)
  t.match(missing.errors, /^replica 1 old ended with 127:\n.*ENOENT/)
})

// Scenario, too: What the command says where a service does not start…
t.test('wrong use is exit code 64', async (t) => {
  const cases: Array<[args: string[], message: RegExp]> = [
    [['--front', 'elb', service], /'--front' must be one of kube-proxy, .*, or a number of seconds, got 'elb'/],
    [['--updates', '4', service], /'--updates' must be a whole number from 0 to 3, got '4'/],
    [['--pre-stop', '30s', service], /'--pre-stop' must be shorter than the grace period of 30 s/],
    [['--grace', '30', service], /'--grace' must be a time with its unit/],
    [['--lag', '1s', service], /unknown option '--lag'/],
    [[at('fixtures/none.js')], /a file that Node can read and run/],
    [[], /expected the path of the service's file/]
  ]
  for (const [args, message] of cases) {
    const { code, errors } = await drill(t, args)
    t.equal(code, 64, args.join(' '))
    t.match(errors, message)
  }
  const { code, output } = await drill(t, ['--help'])
  t.equal(code, 0)
  t.match(output, /^ {2}--front <name> /m)
})

// Scenario (The rehearsal of an update): Ctrl-C: exit code 130, and no process is left behind
t.test('whatever the service has started ends with it, and everything ends with Ctrl-C', async (t) => {
  const { name, left } = mark()
  // Without the plugin a request may be lost, which is not the question here.
  const done = await drill(t, [...short, '--front', 'cloud-run', '--max-lost', '20', service, 'parent'], [name])
  t.equal(done.code, 0, 'exit code', { done })
  t.same(left(), [], 'nobody is left after a drill')

  const command = ['--exec', 'sh', '-c', `"${process.execPath}" ${service} parent; :`]
  const args = [...cleanEnv, name, process.execPath, cli, 'drill', ...command]
  const child = spawn('env', args, { stdio: ['ignore', 'pipe', 'inherit'] })
  t.teardown(() => child.kill('SIGKILL'))
  let output = ''
  await new Promise<void>((resolve) => {
    child.stdout.setEncoding('utf8').on('data', (part: string) => {
      output += part
      if (output.includes('1 new  running')) resolve()
    })
  })
  t.ok(left().length > 4, 'shells, services and what they have started', { left: left() })
  child.kill('SIGINT')
  const [code] = await once(child, 'exit') as [number | null]
  t.equal(code, 130)
  // They were sent SIGKILL before the command was gone.
  for (let tries = 0; left().length > 0 && tries < 100; tries++) await sleep(20)
  t.same(left(), [])
})
