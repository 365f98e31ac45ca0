import { once } from 'node:events'
import { connect } from 'node:net'
import { setTimeout as sleep } from 'node:timers/promises'
import * as fc from 'fast-check'
import { bytesOf, changed, endsConnection, expected, piece, token } from './fuzz-model.ts'
import type { DoorName, Made, Piece } from './fuzz-model.ts'

/** An answer, as far as it has come. */
interface Answered { code: number, head: string, body: string, isWhole: boolean }

/** What is fuzzed, and how. */
export interface Fuzzing {
  door: DoorName
  port: number
  seed: number
  /** Requests at least. */
  requests: number
  /** Pieces under way at the same time. */
  width?: number
}

/** What has come of it. */
export interface Fuzzed {
  requests: number
  changed: number
  codes: Record<string, number>
  /** What was not as the model says, in words, with what was sent. */
  faults: string[]
}

/** How long an answer may take, and the end of a connection whose request was changed, in milliseconds. */
const patience = { answer: 5000, changed: 15_000 }
/** Codes that any door may answer where the bytes of a request were changed. */
const anyCodes = [100, 200, 400, 401, 403, 404, 405, 408, 413, 414, 415, 417, 431, 503, 505]
const mostFaults = 20

/** Sends made-up requests to a door, in pieces, and compares what comes back with the model. */
export async function fuzz ({ door, port, seed, requests, width = 48 }: Fuzzing): Promise<Fuzzed> {
  const done: Fuzzed = { requests: 0, changed: 0, codes: {}, faults: [] }
  const work = async (own: number): Promise<void> => {
    for (let round = 0; done.requests < requests && done.faults.length < mostFaults; round++) {
      for (const one of fc.sample(piece, { seed: seed + own * 1_000_003 + round, numRuns: 50 })) {
        done.requests += one.requests.length
        if (one.edits.length > 0) done.changed += one.requests.length
        await tryPiece(done, door, port, one)
        if (done.requests >= requests) return
      }
    }
  }
  await Promise.all(Array.from({ length: width }, (_, own) => work(own)))
  return done
}

async function tryPiece (done: Fuzzed, door: DoorName, port: number, one: Piece): Promise<void> {
  const whole = Buffer.concat(one.requests.map((request) => bytesOf(request)))
  const bytes = changed(whole, one.edits)
  const isChanged = one.edits.length > 0
  const fault = (text: string): void => {
    if (done.faults.length < mostFaults) {
      done.faults.push(
        `${door}: ${text}\n${JSON.stringify(bytes.toString('latin1').replaceAll(/(.{1,10})\1{5,}/g, '$1...'))}`
      )
    }
  }
  const answers = await exchange(port, bytes, isChanged ? [] : one.requests, fault)
  for (const { code } of answers) done.codes[code] = (done.codes[code] ?? 0) + 1
  for (const [index, answer] of answers.entries()) {
    const request = isChanged ? undefined : one.requests[index]
    const may = request === undefined ? anyCodes : codesAt(door, one.requests, index)
    if (!may.includes(answer.code)) fault(`${answer.code} for request ${index}, and not ${may.join(' or ')}`)
    lookAt(answer, request, fault)
  }
  if (!isChanged && answers.length === 0) fault('no answer')
}

/** Which status codes a request of a piece that arrives as it was made may be answered with. */
function codesAt (door: DoorName, requests: readonly Made[], index: number): readonly number[] {
  const end = requests.findIndex((request) => endsConnection(door, request))
  // What comes behind a request that ends its connection is refused, or nobody reads it.
  if (end !== -1 && index > end) return [400]
  const codes = expected(door, requests[index]!)
  // Node's parser refuses what comes behind such a request before the answers to those before it are written.
  return end === -1 || end === requests.length - 1 ? codes : [...codes, 400]
}

/** What holds for every answer, whatever was asked. */
function lookAt ({ head, body }: Answered, request: Made | undefined, fault: (text: string) => void): void {
  if (head.includes(token) || body.includes(token)) fault('it shows the token')
  if (/\n\s+at \S+ \(|node_modules|file:\/\//.test(body.replace(/<script[^]*/, ''))) fault('it shows what is inside')
  if (!/^HTTP\/1\.1 \d{3} [\x20-\x7e]+(?:\r\n[\w-]+: [\x20-\x7e]*)*$/.test(head)) {
    fault(`a head that is none: ${JSON.stringify(head)}`)
  }
  if (request === undefined || request.authorization !== 'right') {
    if (/"(?:participants|applications|budget|hostname)":|"children":\[\{"(?!status":"(?:pass|fail))/.test(body)) {
      fault('it shows the whole')
    }
  }
}

/** Sends bytes on a connection of their own, and answers what has come back. */
async function exchange (
  port: number,
  bytes: Buffer,
  requests: readonly Made[],
  fault: (text: string) => void
): Promise<Answered[]> {
  const isKnown = requests.length > 0
  const socket = connect({ port, host: '127.0.0.1', allowHalfOpen: true })
  let received = Buffer.alloc(0)
  let isClosed = false
  let wake: (() => void) | undefined
  socket.on('data', (data: Buffer) => { received = Buffer.concat([received, data]); wake?.() })
  socket.on('error', () => {})
  socket.on('end', () => { isClosed = true; wake?.() })
  socket.on('close', () => { isClosed = true; wake?.() })
  await Promise.race([once(socket, 'connect'), once(socket, 'close')]).catch(() => {})
  if (isKnown) socket.write(bytes)
  else socket.end(bytes)
  const end = performance.now() + (isKnown ? patience.answer : patience.changed)
  for (;;) {
    const answers = answersIn(received, requests)
    const last = answers.at(-1)
    // Behind a stream nothing comes. Where it is not known what was asked, answers cannot be told apart for certain.
    const isStream = /\r\ncontent-type: text\/event-stream/i.test(
      isKnown ? last?.head ?? '' : received.toString('latin1')
    )
    if (isClosed || isStream || (isKnown && answers.length === requests.length && last?.isWhole === true)) {
      socket.destroy()
      return answers
    }
    if (performance.now() > end) {
      fault(`nothing more in time, after ${answers.length} answers`)
      socket.destroy()
      return answers
    }
    await Promise.race([new Promise<void>((resolve) => { wake = resolve }), sleep(250)])
  }
}

const isChunked = (head: string): boolean => /\r\ntransfer-encoding: chunked/i.test(head)

/** How long a body is; all there is, where its end has not come. */
function sizeOf (head: string, received: Buffer, start: number): number {
  // A stream for HTTP/1.0 ends with its connection.
  if (/\r\ncontent-type: text\/event-stream/i.test(head) && !isChunked(head)) return received.length - start
  if (!isChunked(head)) return Number(/\r\ncontent-length: (\d+)/i.exec(head)?.[1] ?? 0)
  const end = received.indexOf('0\r\n\r\n', start)
  return (end === -1 ? received.length : end + 5) - start
}

function answersIn (received: Buffer, requests: readonly Made[]): Answered[] {
  const answers: Answered[] = []
  for (let from = 0; from < received.length;) {
    const end = received.indexOf('\r\n\r\n', from)
    if (end === -1) break
    const head = received.toString('latin1', from, end)
    const code = Number(/^HTTP\/1\.1 (\d{3})/.exec(head)?.[1])
    const start = end + 4
    const isHead = requests[answers.length]?.method === 'HEAD'
    const size = isHead ? 0 : sizeOf(head, received, start)
    answers.push({
      code,
      head,
      body: received.toString('utf8', start, start + size),
      isWhole: start + size <= received.length
    })
    from = start + size
    // Where it is not known what was asked, an answer to HEAD looks like one whose body is missing.
    if (Number.isNaN(code) || (requests.length === 0 && received.toString('latin1', from, from + 5) !== 'HTTP/')) break
  }
  return answers
}
