// Opens keep-alive connections, and requests that are slow, on plain sockets.
import { once } from 'node:events'
import { connect } from 'node:net'
import { performance } from 'node:perf_hooks'
import { setTimeout as sleep } from 'node:timers/promises'

const port = Number(process.argv[2])
const atOnce = 200
// Milliseconds from the first slow request to the last: their replies must not make one long turn of their own.
const spread = 2000
const body = '{"ok":true}'
const kept = []
let lastReply
let replies = 0

async function open (path) {
  const socket = connect(port, '127.0.0.1')
  socket.on('error', () => {})
  await once(socket, 'connect')
  socket.write(`GET ${path} HTTP/1.1\r\nHost: bench\r\n\r\n`)
  return socket
}

async function openIdle () {
  const socket = await open('/')
  let reply = ''
  while (!reply.endsWith(body)) reply += (await once(socket, 'data'))[0]
  kept.push(socket.resume())
}

async function openSlow (delay) {
  await sleep(delay)
  const socket = await open('/slow')
  let reply = ''
  socket.on('data', chunk => {
    reply += chunk
    if (!reply.startsWith('HTTP/1.1 200') || !reply.endsWith(body)) return
    replies++
    lastReply = performance.timeOrigin + performance.now()
  })
}

async function spreadSlow (count) {
  await Promise.all(Array.from({ length: count }, (_, index) => openSlow(index * spread / count)))
}

async function many (count, one) {
  for (let done = 0; done < count; done += atOnce) {
    await Promise.all(Array.from({ length: Math.min(atOnce, count - done) }, one))
  }
}

async function obey ({ idle = 0, slow = 0, drop = false, result = false }) {
  if (drop) for (const socket of kept.splice(0)) socket.destroy()
  await many(idle, openIdle)
  await spreadSlow(slow)
  const open = kept.filter(socket => !socket.destroyed).length
  process.send(result ? { replies, lastReply, open } : { open })
}

process.on('message', order => { void obey(order) })
process.on('disconnect', () => process.exit())
process.send({ ready: true })
