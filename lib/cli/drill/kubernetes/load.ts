import { lookup } from 'node:dns/promises'
import { isIP } from 'node:net'
import { setTimeout as sleep } from 'node:timers/promises'
import { defaults, mostLosses, place, probe, startLoad, startStays, Tally } from '../../../drill/index.ts'
import type { DrillRecord, RunRecord, Traffic } from '../../../drill/index.ts'
import { messageOf } from '../../../errors.ts'
import { unfit } from '../option.ts'
import type { Given } from '../option.ts'
import { concludeFailure, show } from '../output/conclude.ts'
import { Outputs, readOutput } from '../output/outputs.ts'
import { isPassed } from '../output/words.ts'
import { bounds, readBoundedLoad } from './settings.ts'
import { lineOf, linesOf } from './parcel.ts'
import type { Message } from './parcel.ts'

/** Milliseconds from try to try to reach the address, and from one sign of progress to the next. */
const [retryEvery, tellEvery] = [250, 1000]

interface Address { host: string, port: number }

/** What is loaded. @throws UsageError */
function readUrl (text: string): URL {
  const url = URL.canParse(text) ? new URL(text) : undefined
  const isOrigin = url !== undefined && url.protocol === 'http:' && url.href === `${url.origin}/`
  if (!isOrigin) throw unfit('load', 'an address such as http://shop.default:80, without path and TLS', text)
  return url
}

/** Waits until it answers, whatever it says. @throws Error where it does not in time */
async function reach (
  { hostname, port }: URL, path: string, within: number, signal: AbortSignal
): Promise<Address> {
  const name = hostname.replace(/^\[(.*)\]$/, '$1')
  const latest = performance.now() + within
  let why = ''
  do {
    try {
      // Asked once: names that are resolved anew would be part of what is measured.
      const host = isIP(name) === 0 ? (await lookup(name)).address : name
      if (await probe({ host, port: Number(port || 80) }, path) !== 0) return { host, port: Number(port || 80) }
      why = 'nobody answers'
    } catch (error) {
      why = messageOf(error)
    }
    await sleep(retryEvery, undefined, { signal })
  } while (performance.now() < latest)
  throw new Error(`${hostname}:${port || 80} was not reached in ${within} ms: ${why}`)
}

/** What is sent, by the name that the service is called by. */
function named ({ profiles, stays = [] }: Traffic, { host }: URL): Required<Traffic> {
  const own = <T extends { headers?: Readonly<Record<string, string>> }>(one: T): T =>
    ({ ...one, headers: { ...one.headers, host } })
  return { profiles: profiles.map(own), stays: stays.map(own) }
}

/** Loads the address until the time is over, or until it is told to stop. */
async function put (
  url: URL, address: Address, given: Given, { signal, tell }: { signal: AbortSignal, tell: (message: Message) => void }
): Promise<RunRecord> {
  const { rate, timeout, connections, profiles = [], stays = [], readTraffic } = readBoundedLoad(given)
  const traffic = named(await readTraffic?.({ name: url.host, ...address }) ?? { profiles, stays }, url)
  const tally = new Tally()
  const begunAt = Date.now()
  const load = startLoad({
    ...address, rate, timeout, tally, profiles: traffic.profiles, ...connections === undefined ? {} : { connections }
  })
  const staying = startStays({ ...address, timeout, tally, stays: traffic.stays })
  // Nobody tells it when an update begins.
  load.enter('during')
  tell({ what: 'loaded' })
  const teller = setInterval(() => tell({ what: 'progress', requests: tally.requests, lost: tally.lost }), tellEvery)
  await sleep(given.time('duration', defaults.duration, [100, bounds.duration]), undefined, { signal }).catch(() => {})
  const [seen, stayed] = await Promise.all([load.stop(), staying.stop()])
  clearInterval(teller)
  const { requests, lost, byKind } = tally
  const losses = [...seen.losses, ...stayed.losses].toSorted((a, b) => a.failedAt - b.failedAt).slice(0, mostLosses)
  return {
    begunAt, loadedAt: begunAt, endedAt: Date.now(), requests, lost,
    connections: seen.connections + stayed.connections,
    byKind: Object.fromEntries(Object.entries(byKind).filter(([, count]) => count > 0)),
    losses: losses.map((loss) => place(loss, [])),
    latency: seen.latency,
    longestPause: seen.longestPause,
    replicas: []
  }
}

/** `fastify-graceful drill --load`: a load alone, which ends by itself. Exit code as that of a drill. */
export async function loadAlone (given: Given): Promise<void> {
  const url = readUrl(given.text('load') ?? '')
  const mark = given.text('mark')
  const maxLost = given.count('max-lost', defaults.maxLost, [0, Number.MAX_SAFE_INTEGER])
  const { rate } = readBoundedLoad(given, () => {})
  const within = given.time('boot', defaults.boot, [100, bounds.duration])
  given.time('duration', defaults.duration, [100, bounds.duration])
  const outputs = new Outputs(readOutput(given))
  const stop = new AbortController()
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.once(signal, () => stop.abort())
  const tell = (message: Message): void => { if (mark !== undefined) process.stdout.write(lineOf(mark, message)) }
  try {
    const address = await reach(url, given.text('ready-path') ?? defaults.readyPath, within, stop.signal)
    if (mark === undefined) outputs.text.write(`Load on ${url.host}: ${rate} requests a second\n`)
    const run = await put(url, address, given, { signal: stop.signal, tell })
    const record: DrillRecord = {
      version: 1, service: url.host, front: url.host, fault: undefined, replicas: 0, grace: 0, rate, maxLost,
      runs: [run]
    }
    process.exitCode = isPassed(record) ? 0 : 1
    if (mark === undefined) show({ record, advice: [], trial: undefined }, outputs)
    else process.stdout.write(linesOf(mark, run))
  } catch (error) {
    tell({ what: 'failed', why: messageOf(error) })
    concludeFailure(messageOf(error), { label: url.host }, outputs)
    process.stderr.write(`${messageOf(error)}\n`)
    process.exitCode = 2
  }
}
