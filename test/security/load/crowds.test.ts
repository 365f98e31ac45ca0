import t from 'tap'
import type { Test } from 'tap'
import { delayOf } from '../../support/delay.ts'
import { unlessLate } from '../../support/stopwatch.ts'
import { crowds, disguised, tcp } from '../attacks.ts'
import { startDoor, untilItRests } from '../own-doors.ts'
import type { OwnDoor } from '../own-doors.ts'
import { besiege, besiegeAll, isFitFor, startWarmProbing } from '../siege.ts'

/** Of the first crowd after a start, whose code V8 has not compiled, a probe may have to wait for twice the time. */
const firstSilence = 200
const bounds = { silence: 100, megabytes: 96, descriptors: 800 }
/** Who asks for a probe, and has it coming, is kept until then: a thousand are. */
const boundsOfProbes = { ...bounds, descriptors: 1850 }
/** Milliseconds for which the machine may keep a process waiting for a processor before a first crowd says nothing. */
const mostLate = 100
/** Milliseconds for which one door is besieged at most, each attack tried again where the machine was not fit for it. */
const patience = 300_000

t.setTimeout(2 * patience)

async function end (t: Test, { app }: OwnDoor): Promise<void> {
  t.notMatch(app.output(), /has died|out of memory/)
  app.kill('SIGTERM')
  t.strictSame((await app.result).slice(0, 2), [0, null], 'it ends as always')
}

for (const door of ['watchdog', 'supervisor'] as const) {
  // Scenario (Attacks, and failures of the plugin's own code): The first crowd that a process sees after its start
  t.test(`the first crowd on the port of a ${door} that has just started slows no probe`, async (t) => {
    // What is slow at first is to be the service: whoever attacks, and whoever measures, has done it before.
    const tried = [crowds[1]!, ...disguised.slice(0, 2)]
    const prober = await startWarmProbing(tried)
    for (const attack of tried) {
      const opened = await startDoor[door](patience)
      const { app: { child: { pid } }, port } = opened
      await untilItRests(pid!)
      await prober.turnTo({ port }, pid!)
      const before = delayOf(pid!)
      const cost = await besiege(attack, tcp(port), pid!, prober)
      const late = delayOf(pid!) - before
      const said = `${attack.name}: ${JSON.stringify(cost)}`
      t.equal(cost.failed, 0, `every probe is answered, ${said}`)
      const holds = cost.served <= firstSilence && cost.answered > 0
      // It is tried once. Where it does not hold, whether the machine can be blamed is looked at, and told.
      const isFit = holds || await isFitFor(attack, bounds.silence / 2)
      if (!isFit) t.comment('a server that does nothing but accept was late, too')
      unlessLate(t, holds, `no probe has to wait, ${said}`, late, isFit ? mostLate : 0)
      await end(t, opened)
    }
    await prober.stop()
  })

  // Scenario (Attacks, and failures of the plugin's own code): A thousand connections at once, which say nothing, or
  // ask for a probe or for a hundred, or begin one, or something else, and go, are reset or half closed, and 256 that
  // ask for a thousand pages each: how long a probe waits, as whoever measures it can tell
  t.test(`no crowd on the port of a ${door} slows a probe, or ends anything`, async (t) => {
    const opened = await startDoor[door](patience)
    const { app: { child: { pid } }, port } = opened
    await besiegeAll(t, crowds, tcp(port), { pid: pid!, target: { port }, bounds })
    // A kubelet does not come from where the strangers do; whoever is behind an address translation does.
    for (const from of ['127.0.0.2', '127.0.0.1']) {
      await besiegeAll(t, disguised, tcp(port), { pid: pid!, target: { port, from }, bounds: boundsOfProbes })
    }
    await end(t, opened)
  })
}
