// Clients that stay: they come back when they are told to leave, and count as lost when they are dropped.
import { request } from 'node:http'
import { setTimeout as sleep } from 'node:timers/promises'
import { WebSocket } from 'ws'

/** Keeps an event stream open. */
export async function keepStreamOpen (load) {
  await keepOpen(load, stream)
}

/** Keeps a WebSocket open, and talks on it. */
export async function keepSocketOpen (load) {
  await keepOpen(load, socket)
}

async function keepOpen ({ port, tally, signal }, open) {
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
      resolve(answered ? 'dropped' : 'refused')
    }
    const outgoing = request({ port, host: '127.0.0.1', path: '/orders/events', agent: false, signal })
    outgoing.once('error', lost)
    outgoing.once('response', (response) => {
      answered = true
      response.once('error', lost)
      response.once('end', () => resolve(response.statusCode === 200 ? undefined : 'unavailable'))
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
    let lost = 'refused'
    client.once('open', () => { lost = 'dropped' })
    client.once('unexpected-response', () => {
      lost = 'unavailable'
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
