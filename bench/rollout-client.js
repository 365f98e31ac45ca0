// Strict clients: nothing is retried, every reply is checked to the last byte, every failure is counted by its kind.
import { Agent, request } from 'node:http'
import { setTimeout as sleep } from 'node:timers/promises'

const ok = '{"ok":true}'
const upload = JSON.stringify({ text: 'x'.repeat(20_000) })
const streamed = Array.from({ length: 10 }, (_, index) => `${index}`.repeat(1000)).join('')
const kinds = [
  { share: 0.60, path: '/immediate', reply: ok },
  { share: 0.20, path: '/slow', reply: ok },
  { share: 0.04, path: '/long', reply: ok },
  { share: 0.08, path: '/stream', reply: streamed },
  { share: 0.08, path: '/upload', reply: '{"received":20000}', upload: true }
]
export const failures = ['refused', 'reset', 'hang up', 'truncated', '5xx', 'no reply']

function choose () {
  let dice = Math.random()
  return kinds.find(kind => (dice -= kind.share) < 0) ?? kinds[0]
}

async function send (outgoing, kind) {
  if (kind.upload) {
    outgoing.write(upload.slice(0, upload.length / 2))
    await sleep(400)
    outgoing.write(upload.slice(upload.length / 2))
  }
  outgoing.end()
}

/** Sends one request; resolves to undefined when its whole reply came, else to the kind of failure. */
function exchange (balancer, agent, kind) {
  const headers = kind.upload ? { 'content-type': 'application/json', 'content-length': upload.length } : {}
  const { promise, resolve } = deferred()
  const outgoing = request({
    port: balancer.port, host: '127.0.0.1', agent, path: kind.path, method: kind.upload ? 'POST' : 'GET', headers
  })
  let port
  let status
  outgoing.once('socket', socket => {
    if (socket.connecting) socket.once('connect', () => { port = socket.localPort })
    else port = socket.localPort
  })
  outgoing.setTimeout(15_000, () => {
    resolve('no reply')
    outgoing.destroy()
  })
  outgoing.on('error', error => {
    if (balancer.wasRefused(port)) resolve('refused')
    else resolve(status ? 'truncated' : error.message === 'socket hang up' ? 'hang up' : 'reset')
  })
  outgoing.on('response', response => {
    status = response.statusCode
    let body = ''
    response.setEncoding('utf8').on('data', chunk => { body += chunk })
    response.on('error', () => resolve('truncated'))
    response.on('end', () => {
      if (status >= 500) resolve('5xx')
      else resolve(status === 200 && body === kind.reply ? undefined : 'truncated')
    })
  })
  send(outgoing, kind)
  return promise
}

function deferred () {
  let resolve
  const promise = new Promise(settle => { resolve = settle })
  return { promise, resolve }
}

/** Starts clients that send until stopped; every eighth opens a connection per request. */
export function startClients (balancer, count) {
  const result = { requests: 0, lost: Object.fromEntries(failures.map(kind => [kind, 0])) }
  const end = new AbortController()

  async function client (index) {
    const agent = new Agent({ keepAlive: index % 8 !== 0, maxSockets: 1 })
    await sleep(Math.random() * 2000)
    while (!end.signal.aborted) {
      const failure = await exchange(balancer, agent, choose())
      result.requests++
      if (failure) result.lost[failure]++
      await sleep(Math.random() * 2000)
    }
    agent.destroy()
  }

  const running = Array.from({ length: count }, (_, index) => client(index))
  return {
    result,
    async stop () {
      end.abort()
      await Promise.all(running)
    }
  }
}
