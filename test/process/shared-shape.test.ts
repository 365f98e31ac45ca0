import { fork } from 'node:child_process'
import { once } from 'node:events'
import { fileURLToPath } from 'node:url'
import t from 'tap'
import type { WatchHandle, WatchdogSetup, WatchedApplication } from '../../lib/watchdog/main/types.ts'
import { ProcessRegistry } from '../../lib/process/registry.ts'
import { sharedVersion } from '../../lib/process/shared.ts'
import type { EarlySignals, ReceivedSignal, SharedRegistry, SharedState } from '../../lib/process/shared.ts'
import type { MemberLifecycle, MemberOptions, Membership } from '../../lib/process/types.ts'
import { FakeProcess } from './fakes.ts'

/** All keys of a type, none missing and none too many: the compiler refuses anything else. */
const keysOf = <T extends object>(keys: Record<keyof T, true>): string[] => Object.keys(keys).toSorted()

/** What copies of the package call of each other. A key more or less makes another shape: raise `sharedVersion`. */
const shape = {
  state: keysOf<SharedState>({ version: true, early: true, registry: true, exiting: true, watchdog: true, systemd: true, tick: true }),
  registry: keysOf<SharedRegistry>({ join: true, handles: true, size: true }),
  early: keysOf<EarlySignals>({ listeners: true, first: true, take: true }),
  received: keysOf<ReceivedSignal>({ signal: true, at: true, heard: true }),
  membership: keysOf<Membership>({
    others: true, listening: true, releaseOthers: true, serves: true, endsProcess: true, signalled: true, askExit: true,
    exitAsked: true, leave: true, onUncaught: true
  }),
  member: keysOf<MemberOptions>({
    name: true, lifecycle: true, log: true, signals: true, otherListeners: true, othersServe: true,
    restartExitCode: true, exit: true, crash: true, flush: true, flushTimeout: true, exited: true, conclude: true
  }),
  lifecycle: keysOf<MemberLifecycle>({
    phase: true, deadline: true, clear: true, ending: true, request: true, shutdown: true, hurry: true, fail: true,
    report: true
  }),
  handle: keysOf<WatchHandle>({ ready: true, changed: true, status: true, farewell: true, leave: true }),
  setup: keysOf<WatchdogSetup>({
    settings: true, probes: true, admin: true, metrics: true, terminationMessagePath: true, systemd: true, parent: true,
    exit: true
  }),
  application: keysOf<WatchedApplication>({
    log: true, state: true, requests: true, inFlight: true, crowded: true, verdicts: true, probed: true, metrics: true,
    status: true, unblocked: true, prestop: true
  })
}

/** The shape of each version. Where the last line fails, the shape has changed: raise `sharedVersion`, and add it. */
const shapes: Record<number, string> = {
  2: 'state early exiting guardian registry tick version; registry handles join size; early first listeners take; '
    + 'received at heard signal; membership askExit endsProcess exitAsked leave listening onUncaught others '
    + 'releaseOthers serves signalled; '
    + 'member conclude crash exit exited flush flushTimeout lifecycle log name otherListeners othersServe '
    + 'restartExitCode signals; '
    + 'lifecycle clear deadline done ending fail hurry phase report request shutdown; handle changed farewell leave '
    + 'ready status; '
    + 'setup admin exit metrics parent probes settings terminationMessagePath; '
    + 'application crowded log metrics prestop probed requests stalled state status verdicts',
  3: 'state early exiting guardian registry tick version; registry handles join size; early first listeners take; '
    + 'received at heard signal; membership askExit endsProcess exitAsked leave listening onUncaught others '
    + 'releaseOthers serves signalled; '
    + 'member conclude crash exit exited flush flushTimeout lifecycle log name otherListeners othersServe '
    + 'restartExitCode signals; '
    + 'lifecycle clear deadline done ending fail hurry phase report request shutdown; handle changed farewell leave '
    + 'ready status; '
    + 'setup admin exit metrics parent probes settings terminationMessagePath; '
    + 'application crowded inFlight log metrics prestop probed requests stalled state status verdicts',
  4: 'state early exiting registry tick version watchdog; registry handles join size; early first listeners take; '
    + 'received at heard signal; membership askExit endsProcess exitAsked leave listening onUncaught others '
    + 'releaseOthers serves signalled; '
    + 'member conclude crash exit exited flush flushTimeout lifecycle log name otherListeners othersServe '
    + 'restartExitCode signals; '
    + 'lifecycle clear deadline done ending fail hurry phase report request shutdown; handle changed farewell leave '
    + 'ready status; '
    + 'setup admin exit metrics parent probes settings terminationMessagePath; '
    + 'application crowded inFlight log metrics prestop probed requests state status unblocked verdicts',
  5: 'state early exiting registry tick version watchdog; registry handles join size; early first listeners take; '
    + 'received at heard signal; membership askExit endsProcess exitAsked leave listening onUncaught others '
    + 'releaseOthers serves signalled; '
    + 'member conclude crash exit exited flush flushTimeout lifecycle log name otherListeners othersServe '
    + 'restartExitCode signals; '
    + 'lifecycle clear deadline ending fail hurry phase report request shutdown; handle changed farewell leave '
    + 'ready status; '
    + 'setup admin exit metrics parent probes settings terminationMessagePath; '
    + 'application crowded inFlight log metrics prestop probed requests state status unblocked verdicts',
  6: 'state early exiting registry systemd tick version watchdog; registry handles join size; '
    + 'early first listeners take; '
    + 'received at heard signal; membership askExit endsProcess exitAsked leave listening onUncaught others '
    + 'releaseOthers serves signalled; '
    + 'member conclude crash exit exited flush flushTimeout lifecycle log name otherListeners othersServe '
    + 'restartExitCode signals; '
    + 'lifecycle clear deadline ending fail hurry phase report request shutdown; handle changed farewell leave '
    + 'ready status; '
    + 'setup admin exit metrics parent probes settings systemd terminationMessagePath; '
    + 'application crowded inFlight log metrics prestop probed requests state status unblocked verdicts'
}

t.test('who changes the shape of what copies of the package share raises its version', async (t) => {
  const text = Object.entries(shape).map(([name, keys]) => [name, ...keys].join(' ')).join('; ')
  t.equal(sharedVersion, Math.max(...Object.keys(shapes).map(Number)))
  t.equal(
    text,
    shapes[sharedVersion],
    'the shape has changed: raise sharedVersion in lib/process/shared.ts, and add the shape here'
  )
})

t.test('the objects have the shape that their types promise', async (t) => {
  const { membership } = new FakeProcess().join()
  t.same(Object.keys(membership).toSorted(), shape.membership)
  const members = Object.getOwnPropertyNames(ProcessRegistry.prototype)
  t.same(
    members.filter((name) => name !== 'constructor').toSorted(),
    shape.registry,
    'nothing of the registry is called but this'
  )
})

t.test('a copy of a release with another shape is left alone, and both end', async (t) => {
  for (const version of [1, sharedVersion + 1]) {
    const child = fork(
      fileURLToPath(new URL('fixtures/other-release.js', import.meta.url)),
      [String(version)],
      { silent: true }
    )
    let output = ''
    child.stdout?.on('data', (chunk) => { output += chunk })
    child.stderr?.on('data', (chunk) => { output += chunk })
    await once(child, 'message')
    child.kill('SIGTERM')
    const [code] = await once(child, 'close')
    t.equal(code, 0, output)
    t.match(output, /^nobody has called the other release$/m)
    t.notMatch(output, /TypeError/)
  }
})
