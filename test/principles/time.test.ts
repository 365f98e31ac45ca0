import t from 'tap'
import { setTimeout as sleep } from 'node:timers/promises'
import type { Report } from '../../lib/index.ts'
import { fork } from '../process/fork.ts'
import type { Fork } from '../process/fork.ts'
import { inTime, Stopwatch } from '../support/stopwatch.ts'

interface Case {
  title: string
  given: Record<string, unknown>
  /** What happens, from the start on; a signal at `listening`, by default. */
  act?: (service: Fork) => Promise<unknown>
  code: number
  /** What ran to its end, in its order. */
  ran: string
  /** Milliseconds that the end may take, from the first signal to the exit. */
  within: [least: number, most: number]
  waiting?: string[]
  advice?: RegExp
  output?: RegExp
  /** Figures of that output, each with what it should be at the most. */
  figures?: number[]
}

const listening = /listening on (\d+)/
/** How much longer a step may take than its hooks do, in milliseconds. */
const slack = 2500
/** How much later than the end of the grace period its parent may hear of an end there. */
const late = 500
/** How much earlier a job may be warned than it asked for, as its timers are that late. */
const rough = 50

async function request (service: Fork, path: string): Promise<void> {
  const [, port] = await service.waitForLine(listening)
  await fetch(`http://127.0.0.1:${port}${path}`).then((response) => response.text(), () => {})
}

const cases: Case[] = [
  {
    title: 'an onClose hook of a queue worker takes more than `close`',
    given: { gracePeriod: 6000, onClose: 3500 },
    code: 0, ran: 'stopWorker, flushQueue', within: [3500, 3500 + slack]
  },
  {
    title: 'the same in a grace period of ten minutes',
    given: { gracePeriod: 600_000, onClose: 6000 },
    code: 0, ran: 'stopWorker, flushQueue', within: [6000, 6000 + slack]
  },
  {
    title: 'the same after a preClose hook and a hook of phase 4',
    given: { gracePeriod: 9000, preClose: 1000, terminated: 1500, onClose: 2000 },
    code: 0, ran: 'goodBye, terminated, stopWorker, flushQueue', within: [4500, 4500 + slack]
  },
  {
    title: 'a hook of phase 4 takes more than `close`',
    given: { gracePeriod: 7000, terminated: 3000 },
    code: 0, ran: 'terminated, stopWorker, flushQueue', within: [3000, 3000 + slack]
  },
  {
    title: 'a hook of phase 4 hangs: the close has what is kept for it',
    given: { gracePeriod: 6000, terminated: null, onClose: 400 },
    code: 1, ran: 'stopWorker, flushQueue', within: [5300, 6000 + late],
    waiting: ['last hook'],
    advice: /^last hook still ran after \d+ ms of phase 4/
  },
  {
    title: 'a preClose hook hangs: the close has what is kept for it',
    given: { gracePeriod: 4000, preClose: null, onClose: 200 },
    code: 1, ran: 'stopWorker, flushQueue', within: [2900, 4000 + late],
    waiting: ["preClose hook 'goodBye'"],
    advice: /^preClose hook 'goodBye' still ran after \d+ ms of draining/
  },
  {
    title: 'closeWith takes more than `close`',
    given: { gracePeriod: 6000, closeWith: 3000 },
    code: 0, ran: 'closeWith, stopWorker, flushQueue', within: [3000, 3000 + slack]
  },
  {
    title: 'closeWith hangs',
    given: { gracePeriod: 3000, closeWith: null },
    code: 1, ran: '', within: [2600, 3000 + late],
    waiting: ["close (option 'closeWith')"]
  },
  {
    title: 'an onClose hook hangs, and is named with those that never ran',
    given: { gracePeriod: 3000, onClose: null },
    code: 1, ran: '', within: [2600, 3000 + late],
    waiting: ["close (onClose hook 'stopWorker' of plugin 'worker')"],
    advice: /1 onClose hook never ran: onClose hook 'flushQueue'. Raise the grace period \(gracePeriod 3000 ms/
  },
  {
    title: 'an onClose hook that was there before us hangs',
    given: { gracePeriod: 3000, earlier: null },
    code: 1, ran: 'stopWorker, flushQueue', within: [2600, 3000 + late],
    waiting: ["close (onClose hook 'earlier')"]
  },
  {
    title: 'a second signal leaves a second',
    given: { gracePeriod: 20_000, onClose: null },
    act: async (service) => {
      await service.waitForLine(listening)
      service.kill('SIGTERM')
      await sleep(1500)
      service.kill('SIGTERM')
    },
    code: 1, ran: '', within: [1500, 1500 + slack],
    waiting: ["close (onClose hook 'stopWorker' of plugin 'worker')"],
    advice: /send one signal only/
  },
  {
    title: 'a boot of 1.5 s is under way',
    given: { gracePeriod: 7000, boot: 1500 },
    act: bootingSignal,
    code: 0, ran: 'stopWorker, flushQueue', within: [1000, 1500 + slack]
  },
  {
    title: 'a boot of 3 s is under way, with a close of 2 s',
    given: { gracePeriod: 8000, boot: 3000, onClose: 2000 },
    act: bootingSignal,
    code: 0, ran: 'stopWorker, flushQueue', within: [4500, 5000 + slack]
  },
  {
    title: 'a boot hangs, and is named',
    given: { gracePeriod: 3000, boot: null },
    act: bootingSignal,
    code: 1, ran: '', within: [2600, 3000 + late],
    waiting: ["close (boot, plugin 'database')"]
  },
  {
    title: 'the logs take more than half of `reserve`',
    given: { gracePeriod: 6000, flush: 2000 },
    code: 0, ran: 'stopWorker, flushQueue', within: [2000, 2000 + slack],
    output: /flushed/
  },
  {
    title: 'the logs take what an onClose hook has left',
    given: { gracePeriod: 8000, onClose: 2000, flush: 2000 },
    code: 0, ran: 'stopWorker, flushQueue', within: [4000, 4000 + slack],
    output: /flushed/
  },
  {
    title: 'the logs hang',
    given: { gracePeriod: 3000, flush: null },
    code: 0, ran: 'stopWorker, flushQueue', within: [2600, 3000 + late]
  },
  {
    title: 'a crash has the same time for its onClose hooks',
    given: { gracePeriod: 8000, onClose: 3000 },
    act: (service) => request(service, '/crash'),
    code: 1, ran: 'stopWorker, flushQueue', within: [3000, 3000 + slack]
  },
  {
    title: 'a signal comes while a plain close is under way',
    given: { gracePeriod: 3000, onClose: 3500 },
    act: async (service) => {
      await request(service, '/close')
      await sleep(1500)
      service.kill('SIGTERM')
    },
    code: 0, ran: 'stopWorker, flushQueue', within: [3500, 3500 + slack]
  },
  {
    title: 'a job is warned before it is cut, and leaves in order',
    given: { gracePeriod: 4000, job: true },
    code: 0, ran: 'job, stopWorker, flushQueue', within: [2000, 4000 + late],
    output: /warned with ([\d.]+) ms left, (\d+) until/,
    figures: [501, 510]
  }
]

/** A signal in the midst of boot. */
async function bootingSignal (service: Fork): Promise<void> {
  await service.waitForLine(/booting/)
  service.kill('SIGTERM')
}

async function signal (service: Fork): Promise<void> {
  await service.waitForLine(listening)
  service.kill('SIGTERM')
}

t.setTimeout(300_000)

// Scenario (Signals and exit): A queue worker that needs nine seconds to close, slow hooks and logs, a boot that is
// under way, with a grace period that leaves the time (mochi#328, kestra#19343, langfuse#16966)
t.test('time that nobody used belongs to whoever comes next', { jobs: 3 }, async (t) => {
  for (const row of cases) {
    const { title, given, act = signal, code, ran, within: [least, most], waiting, advice, output, figures = [] } = row
    t.test(title, async (t) => {
      const service = fork('../../principles/fixtures/time.js', { given })
      const whole = new Stopwatch(service.child.pid)
      await service.waitForLine(/booting/)
      if (given['boot'] === undefined) await service.waitForLine(listening)
      const watch = new Stopwatch(service.child.pid)
      await act(service)
      const [exit, killed, text] = await service.result
      watch.stop()
      whole.stop()
      t.same([exit, killed], [code, null], text)
      t.equal(/^ran (.*)$/m.exec(text)?.[1], ran)
      // A boot that is heard of late is over sooner.
      inTime(t, watch, [least - 150 - (given['boot'] === undefined ? 0 : whole.late), most])
      const [, json] = /^report (.*)$/m.exec(text) ?? []
      const report = JSON.parse(json ?? '{}') as Report
      t.same(report.cut.waiting, waiting ?? [])
      if (waiting === undefined) t.same(report.advice, [])
      if (advice !== undefined) t.match(report.advice[0], advice)
      if (output !== undefined) t.match(text, output)
      for (const [index, figure] of figures.entries()) {
        const time = Number(output?.exec(text)?.[index + 1])
        t.ok(time > figure - rough - watch.late && time <= figure, `${time} ms, ${figure} at most`)
      }
    })
  }
})
