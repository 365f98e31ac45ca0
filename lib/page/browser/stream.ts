import { EventReader } from '../../status/shown.ts'
import type { Shown } from '../../status/shown.ts'

/** What the stream tells. */
interface StreamEvents {
  /** An event, merged into nothing yet. */
  event (name: string, data: Shown): void
  /** The stream is open, and its first event has come. */
  open (): void
  /** It is over, and is tried again in so many milliseconds; `why` is what to tell a person where it never opened. */
  lost (delay: number, why: string | undefined): void
}

/** The open stream. */
interface Stream {
  /** Begins anew at once, with another token. */
  restart (token: string): void
}

/**
 * Reads the stream of events, and opens it again when it ends: after a second, and after longer each time.
 * `EventSource` can send no token.
 */
export function readStream (url: string, events: StreamEvents): Stream {
  let token = ''
  let tries = 0
  let timer: ReturnType<typeof setTimeout> | undefined
  let current: AbortController | undefined
  const again = (own: AbortController, least: number, why?: string): void => {
    if (own !== current) return
    current = undefined
    // Not all viewers of a service at the same moment.
    const delay = Math.max(least, Math.min(30_000, 1000 * 2 ** tries++) * (0.8 + 0.4 * Math.random()))
    timer = setTimeout(() => { void open() }, delay)
    events.lost(delay, why)
  }
  const open = async (): Promise<void> => {
    const own = current = new AbortController()
    let told = false
    try {
      // A browser's cache asks twice at times, where an answer before was cut short: two places among the viewers.
      const answer = await fetch(url, {
        cache: 'no-store',
        headers: { accept: 'text/event-stream', ...token !== '' && { authorization: `Bearer ${token}` } },
        signal: own.signal
      })
      if (!answer.ok || answer.body === null) {
        const problem = answer.status === 503 ? 'too many viewers' : `it answers ${answer.status}`
        return again(own, retryAfter(answer.headers.get('retry-after')), problem)
      }
      await readEvents(answer.body, own, (name, data) => {
        if (own !== current) return
        // Not at the head already: what comes through may be nothing.
        if (!told) events.open()
        told = true
        tries = 0
        events.event(name, data)
      })
      again(own, 0)
    } catch {
      again(own, 0)
    }
  }
  void open()
  return {
    restart (given) {
      token = given
      tries = 0
      clearTimeout(timer)
      current?.abort()
      void open()
    }
  }
}

/** How long a refusal asks to wait, in milliseconds, a minute at most; 0 where it does not say it in seconds. */
function retryAfter (header: string | null): number {
  const seconds = Number(header)
  return Number.isFinite(seconds) ? 1000 * Math.max(0, Math.min(60, seconds)) : 0
}

/** Takes the events out of a body, until it ends or nothing at all comes: a heartbeat is due every 15 s. */
async function readEvents (
  body: ReadableStream<Uint8Array>,
  own: AbortController,
  tell: (name: string, data: Shown) => void
): Promise<void> {
  const reader = body.getReader()
  const decoder = new TextDecoder()
  const events = new EventReader()
  for (;;) {
    const silence = setTimeout(() => own.abort(), 25_000)
    // oxlint-disable-next-line no-await-in-loop -- one piece after the other
    const { done, value } = await reader.read().finally(() => clearTimeout(silence))
    if (done) return
    for (const { name, data } of events.push(decoder.decode(value, { stream: true }))) {
      tell(name, JSON.parse(data) as Shown)
    }
  }
}
