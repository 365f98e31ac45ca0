import { EventEmitter } from 'node:events'
import { stripVTControlCharacters } from 'node:util'
import * as fc from 'fast-check'
import t from 'tap'
import { printableAll } from '../../lib/cli/printable.ts'
import { bar, columns, fit, textWidth } from '../../lib/cli/cells.ts'
import { details, headline } from '../../lib/cli/status/view.ts'
import type { Line } from '../../lib/cli/status/sections.ts'
import { paint, Terminal } from '../../lib/cli/terminal.ts'
import { readStatus } from '../../lib/status/read.ts'

const now = 1_790_000_000_000

/** What `/-/status` says of an application in the midst of its end, with text of every width in it. */
const whole = {
  phase: 'draining', number: 3, ready: false, since: now - 2345, deadline: now + 12_345, inFlight: 3,
  shutdown: {
    reason: 'SIGTERM 停止',
    cap: 14_000,
    floor: 0,
    phases: [
      { phase: 'announcing', duration: 5012, endedBy: 'cap', stalledBy: [{ name: 'mail', reason: '3 left' }] },
      { phase: 'closing', duration: 2, endedBy: 'ready' }
    ]
  },
  budget: {
    gracePeriod: 30_000, preStop: 0, reserve: 1500, close: 5000, closing: 500, announce: { min: 5000, max: 18_000 }
  },
  requests: [
    { method: 'GET', route: '/orders/:id', age: 3012, kind: 'request' },
    { method: 'GET', route: '/événements/🚀/日本語', age: 1, kind: 'stream' }
  ],
  connections: { open: 12, busy: 2, idle: 10, sessions: 0, upgraded: 1 },
  participants: [{ name: 'traffic', reason: '1 request in flight' }, { name: 'outbox' }],
  checks: [{ name: 'database', state: 'failing', kinds: ['readiness'], duration: 3, age: 20, error: '接続できません' }],
  pressure: { underPressure: true, eventLoopDelay: 12.5, eventLoopUtilized: 0.93, heapUsed: 1e8, rssBytes: 2e8 },
  traffic: {
    rate: 12.25,
    arrivals: 4,
    lastArrival: 1200,
    lateArrivals: 2,
    lateSources: [{ address: '10.0.0.7', count: 2 }],
    evidence: 'observed',
    probes: [{ prober: 'kube-probe', answers: 3, first: 200 }]
  },
  work: ['outbox', 'outbox', 'mail'], holds: ['cache'], started: true,
  watchdog: {
    state: 'watching',
    port: 9000,
    blockedCount: 2,
    blockedTime: 3000,
    lastBlocked: { at: now - 5000, duration: 1500, blockedIn: 'hash /app/tokens.js:7' }
  },
  eventLoop: { blocked: true, silence: 1200, blockedIn: 'parse /app/a.js:1' },
  report: {
    verdict: 'cut',
    exitCode: 1,
    summary: 'one request cut',
    phases: [],
    cut: { requests: [{ method: 'GET', route: '/slow', age: 9000 }] },
    failures: [{ name: 'flush', phase: 'terminated', message: 'disk full' }],
    advice: ['raise the grace period'],
    traffic: { suggestedMin: 7000 }
  }
}
const supervisor = {
  ...whole, workers: 2, minReady: 1, readyChildren: 1, reloading: true,
  children: [
    {
      child: 1, pid: 71, phase: 'running', ready: true, responding: true, inFlight: 0, connections: 3, restarts: 0,
      startedAt: now - 90_000, applications: [whole]
    },
    {
      child: 2, pid: 72, responding: false, leaving: true, applications: []
    }
  ]
}
const watchdog = { ...whole, budget: undefined, applications: [{ ...whole, name: 'application 1' }] }
const pictures = {
  application: whole,
  supervisor,
  watchdog,
  public: { phase: 'running', number: 0, ready: true, access: 'public' },
  nothing: {}
}

const linesOf = (status: unknown, at = now): Line[] => {
  const told = readStatus(printableAll(status))
  const context = { at, most: 10, authorised: true }
  return [headline('店舗:3000', told, context), ...details(told, context)]
}

t.test('every width from 20 to 250 columns at every moment of an end: no line is wider, whatever it says', (t) => {
  for (const [name, status] of Object.entries(pictures)) {
    for (const at of [now - 10_000, now - 2345, now, now + 1, now + 12_345, now + 3_600_000]) {
      const lines = linesOf(status, at)
      for (let width = 20; width <= 250; width++) {
        const wide = paint(lines, { colours: true, width }).map(stripVTControlCharacters)
          .filter((line) => textWidth(line) > width)
        if (wide.length > 0) t.fail(name, { width, wide })
      }
    }
    t.pass(name)
  }
  t.end()
})

const odd = fc.oneof(
  fc.anything(),
  fc.constantFrom(null, -1, 0, Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY, 2 ** 53, '', '日本', 'a'.repeat(500)),
  fc.double(),
  fc.array(fc.dictionary(fc.constantFrom('name', 'reason', 'age', 'method'), fc.anything()))
)

/** The same with some of its values replaced: what comes over the wire is anybody's. */
function spoil (value: unknown, draw: () => number, values: unknown[]): unknown {
  if (draw() < 0.08) return values[Math.floor(draw() * values.length)]
  if (Array.isArray(value)) return value.map((item) => spoil(item, draw, values))
  if (typeof value !== 'object' || value === null) return value
  return Object.fromEntries(Object.entries(value).map(([key, inner]) => [key, spoil(inner, draw, values)]))
}

t.test('no status breaks the picture: figures that are none, times outside the range, text of every width', (t) => {
  fc.assert(fc.property(
    fc.constantFrom(...Object.values(pictures)),
    fc.array(odd, { minLength: 1, maxLength: 6 }),
    fc.infiniteStream(fc.double({ min: 0, max: 0.999, noNaN: true })),
    fc.integer({ min: 0, max: 260 }),
    fc.double(),
    (status, values, stream, width, at) => {
      const draw = (): number => stream.next().value as number
      const lines = linesOf(spoil(status, draw, values), at)
      return paint(lines, { colours: false, width }).every((line) => textWidth(line) <= width && !line.includes('\n'))
    }
  ), { numRuns: 1500 })
  t.end()
})

t.test('a bar has as many cells as it is told, whatever part of whatever it shows', (t) => {
  fc.assert(
    fc.property(fc.double(), fc.double(), fc.integer({ min: 0, max: 250 }), (part, all, width) =>
      /^\[#*\.*\]$/.test(bar(part, all, width)) && bar(part, all, width).length === width + 2),
    { numRuns: 2000 }
  )
  const cases: Array<[number, number, string]> = [
    [0, 10, '....'],
    [5, 10, '##..'],
    [10, 10, '####'],
    [99, 10, '####'],
    [-1, 10, '....'],
    [3, 0, '####'],
    [0, -1, '####'],
    [Number.POSITIVE_INFINITY, Number.POSITIVE_INFINITY, '....'],
    [Number.NaN, 1, '....']
  ]
  for (const [part, all, cells] of cases) t.equal(bar(part, all, 4), `[${cells}]`, `${part} of ${all}`)
  t.end()
})

t.test('columns stand under each other, and text is cut by what a terminal shows of it', (t) => {
  t.same(columns([['日本', 'x'], ['abcdef', 'y'], ['e\u0301', 'z']]), ['日本    x', 'abcdef  y', 'e\u0301       z'])
  const cases: Array<[string, number, string]> = [
    ['abc', 3, 'abc'], ['abcd', 3, 'ab…'], ['日本語', 6, '日本語'], ['日本語', 5, '日本…'], ['日本語', 4, '日…'], ['🚀🚀', 3, '🚀…'],
    ['abc', 1, '…'], ['abc', 0, ''], ['', 0, '']
  ]
  for (const [text, width, shown] of cases) t.equal(fit(text, width), shown, `${text} in ${width}`)
  fc.assert(fc.property(
    fc.string({ unit: 'grapheme' }),
    fc.integer({ min: 0, max: 250 }),
    (text, width) => textWidth(fit(text, width)) <= width
  ))
  t.end()
})

t.test(
  'a screen of any size, also of one that changes, is never left, and its cursor goes back as far as it came',
  (t) => {
    class Output extends EventEmitter {
      isTTY = true
      columns = 0
      rows = 0
      written = ''
      write (text: string): boolean {
        this.written += text
        return true
      }
    }
    const size = fc.record({
      columns: fc.oneof(fc.nat({ max: 250 }), fc.constant(undefined)),
      rows: fc.oneof(fc.nat({ max: 60 }), fc.constant(undefined))
    })
    fc.assert(fc.property(
      fc.array(size, { minLength: 2, maxLength: 6 }),
      fc.constantFrom(...Object.values(pictures)),
      (sizes, status) => {
        const output = new Output()
        const terminal = new Terminal(output as never, {})
        const { colours } = terminal
        let isFine = true
        let height = 0
        for (const [index, given] of sizes.entries()) {
          Object.assign(output, given)
          output.written = ''
          // Every second time it is the terminal that has changed, as somebody draws at its border.
          if (index > 0 && index % 2 === 1) output.emit('resize')
          else {
            const drawn = linesOf(status, now + index)
            terminal.draw(({ columns: width, rows }) => paint(drawn, { colours, width, height: rows - 1 }))
          }
          // oxlint-disable-next-line no-control-regex -- that is what is looked for
          const up = /\u001b\[(\d+)A/.exec(output.written)?.[1]
          const expected = index % 2 === 1 ? 0 : height
          if (Number(up ?? 0) !== expected) isFine = false
          const lines = stripVTControlCharacters(output.written).replaceAll('\r', '').split('\n').slice(0, -1)
          height = lines.length
          if (
            height > Math.max(1, (given.rows || 24) - 1)
            || lines.some((line) => textWidth(line) > (given.columns || 80))
          ) {
            isFine = false
          }
        }
        terminal.close()
        return isFine
      }
    ), { numRuns: 200 })
    t.end()
  }
)
