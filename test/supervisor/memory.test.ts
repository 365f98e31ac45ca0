import t from 'tap'
import { MemoryLimit } from '../../lib/supervisor/parent/memory.ts'
import { Slot } from '../../lib/supervisor/parent/respawn.ts'
import type { Child } from '../../lib/supervisor/parent/child.ts'
import { parseBytes } from '../../lib/cli/usage.ts'
import { ask, service, start, until } from './tree.ts'

const mib = 2 ** 20

t.test('amounts of memory', async (t) => {
  const rows: Array<[text: string, bytes: number | undefined]> = [
    ['512MiB', 512 * mib], ['512Mi', 512 * mib], ['1.5GiB', 1536 * mib], ['500MB', 500_000_000], ['64KiB', 65_536],
    ['1GB', 1e9], ['512M', undefined], ['512', undefined], ['512mb', undefined], ['-1MiB', undefined], ['', undefined],
    ['1e3MiB', undefined], ['MiB', undefined], [' 1MiB', undefined], ['1MiBx', undefined]
  ]
  for (const [text, bytes] of rows) t.equal(parseBytes(text), bytes, text)
})

/** A limit of 100 MiB on a clock of its own, with one place. */
function limited (): {
  /** The child of the place has so much for so many seconds, told once a second. */
  has: (memory: number, seconds: number) => void
  busy: (isBusy: boolean) => void
  /** Whether a successor starts. */
  start: (starts: boolean) => void
  log: string[]
  replaced: () => number
} {
  let now = 0
  let isBusy = false
  let replaced = 0
  const log: string[] = []
  const slot = new Slot(1)
  const write = (level: string) => (_details: object, message: string) => { log.push(`${level}: ${message}`) }
  const fresh = (): Child => {
    const readyAt = now
    return {
      place: 1, pid: 1, title: 'child', leaving: false, state: {}, get readyFor () { return now - readyAt }
    } as unknown as Child
  }
  const limit = new MemoryLimit({
    limit: 100 * mib,
    now: () => now,
    log: { info: write('info'), warn: write('warn'), error: write('error') },
    replace: () => {
      if (isBusy) return undefined
      replaced++
      slot.child = fresh()
      return Promise.resolve(undefined)
    }
  })
  slot.child = fresh()
  return {
    has (memory, seconds) {
      for (let second = 0; second < seconds; second++, now += 1000) {
        const child = slot.child!
        ;(child.state as { memory: number }).memory = memory * mib
        limit.look(slot, child)
      }
    },
    busy: (is) => { isBusy = is },
    start: (starts) => { slot.successor = starts ? fresh() : undefined },
    log,
    replaced: () => replaced
  }
}

t.test('who has too much for three seconds is replaced, and a moment is not too much', async (t) => {
  const place = limited()
  place.has(100, 100)
  place.has(101, 3)
  place.has(90, 1)
  place.has(101, 3)
  place.has(90, 1)
  t.equal(place.replaced(), 0)
  place.busy(true)
  place.has(101, 10)
  t.equal(place.replaced(), 0, 'what is under way comes first')
  place.busy(false)
  place.start(true)
  place.has(101, 10)
  t.equal(place.replaced(), 0, 'so does who is to follow')
  place.start(false)
  place.has(101, 1)
  t.equal(place.replaced(), 1)
  t.same(place.log, ['warn: child has 101 MiB, more than maxMemory of 100 MiB: it is replaced'])
})

t.test('a limit that is too low replaces at a bounded pace, and says so', async (t) => {
  const place = limited()
  place.has(150, 4)
  t.equal(place.replaced(), 1, 'the first at once')
  place.has(150, 59)
  t.equal(place.replaced(), 1)
  t.match(place.log.at(-1), /^warn: child has 150 MiB soon after .* the limit is too low .* in \d+ s at the earliest$/)
  t.equal(place.log.length, 2, 'once for each child')
  place.has(150, 2)
  t.equal(place.replaced(), 2, 'after a minute')
  place.has(150, 115)
  t.equal(place.replaced(), 2)
  place.has(150, 10)
  t.equal(place.replaced(), 3, 'after two')
  place.has(150, 24 * 3600)
  t.ok(place.replaced() >= 24 && place.replaced() <= 32, `once an hour in the end: ${place.replaced()}`)
})

t.test('a slow leak is replaced each time', async (t) => {
  const place = limited()
  for (let round = 1; round <= 10; round++) {
    place.has(50, 90)
    place.has(101, 4)
    t.equal(place.replaced(), round)
  }
})

t.test('children that grow are replaced one by one, without a lost request and without a back-off', async (t) => {
  const tree = start(t, [
    'run', '--workers', '2', '--min-ready', '2', '--max-memory', '280MiB', service, JSON.stringify({ logger: true })
  ])
  const port = await tree.port()
  await tree.ready()
  const before = tree.lines('spawn').map(({ childPid }) => childPid)
  const lost: unknown[] = []
  const over = new AbortController()
  let answered = 0
  const clients = Promise.all([1, 2, 3, 4].map(async () => {
    while (!over.signal.aborted) await ask(port).then(() => { answered++ }, (error: unknown) => { lost.push(error) })
  }))
  for (const pid of before) process.kill(pid!, 'SIGUSR2')
  await until(() => tree.lines('exit').length === 2, 'both are gone')
  over.abort()
  await clients
  t.same(lost, [], `of ${answered} requests`)
  t.same(new Set(tree.lines('exit').map(({ childPid }) => childPid)), new Set(before))
  const order = tree.lines()
    .flatMap(({ event = '' }) => /\.(memory|spawn|exit)$/.exec(event)?.[1] ?? []).slice(2)
  t.same(order, ['memory', 'spawn', 'exit', 'memory', 'spawn', 'exit'], 'one after the other')
  t.same(tree.lines('backoff'), [])
  t.same(tree.lines('exit').map(({ exitCode }) => exitCode), [0, 0])
  t.same(tree.lines('readiness').length, 1, 'it was ready all the time')
  const reasons = tree.output().match(/"reason":"replaced: it has \d+ MiB, more than maxMemory of 280 MiB"/g) ?? []
  t.ok(reasons.length >= 2, 'in the logs and reports of the children')
  process.kill(tree.pid, 'SIGTERM')
  t.same(await tree.result, [0, null])
})

t.test('a limit below the start is said, and replaces nobody in a loop', async (t) => {
  const tree = start(t, ['run', '--max-memory', '20MiB', service])
  await until(() => tree.lines('memory').some(({ wait }) => typeof wait === 'number'), 'it is said')
  t.equal(tree.lines('spawn').length, 2)
  t.match(tree.lines('memory').at(-1)?.msg, 'the limit is too low')
  process.kill(tree.pid, 'SIGTERM')
  t.same(await tree.result, [0, null])
})
