// Clients that stay: they come back when they are told to leave, and count as lost when they are dropped.
import { request } from 'node:http'
import { setTimeout as sleep } from 'node:timers/promises'
import { WebSocket } from 'ws'

/** Keeps event streams and WebSockets open, and talks on these. */
export function keepOpen ({ port }, tally) {
  const stopping = new AbortController()
  const { signal } = stopping
  const everyone = [stream, socket].flatMap((open) => Array.from({ length: 4 }, () => keep(open, port, tally, signal)))
  return {
    async stop () {
      stopping.abort()
      await Promise.all(everyone)
    }
  }
}

async function keep (open, port, tally, signal) {
  while (!signal.aborted) {
    tally.count(await open(port, signal))
    await sleep(100 + Math.random() * 300) // as a browser waits before it comes back
  }
}

function stream (port, signal) {
  return new Promise((resolve) => {
    let answered = false
    const lost = () => {
      if (signal.aborted) return resolve()
      resolve(answered ? 'dropped' : 'reset-new')
    }
    const outgoing = request({ port, host: '127.0.0.1', path: '/orders/events', agent: false, signal })
    outgoing.once('error', lost)
    outgoing.once('response', (response) => {
      answered = true
      response.once('error', lost)
      response.once('end', () => resolve(response.statusCode === 200 ? undefined : 'answered-5xx'))
      response.resume()
    })
    outgoing.end()
  })
}

// 1001 "going away"; 1005 is a close without a code, which is what a plain close sends and no fault.
const inOrder = new Set([1001, 1005])

function socket (port, signal) {
  return new Promise((resolve) => {
    const client = new WebSocket(`ws://127.0.0.1:${port}/orders/socket`)
    const leave = () => client.terminate()
    signal.addEventListener('abort', leave, { once: true })
    const talk = setInterval(() => {
      if (client.readyState === WebSocket.OPEN) client.send('42')
    }, 500)
    let lost = 'reset-new'
    client.once('open', () => { lost = 'dropped' })
    client.once('unexpected-response', () => {
      lost = 'answered-5xx'
      client.terminate()
    })
    client.on('error', () => {}) // a close follows
    client.once('close', (code) => {
      clearInterval(talk)
      signal.removeEventListener('abort', leave)
      resolve(signal.aborted || inOrder.has(code) ? undefined : lost)
    })
  })
}
