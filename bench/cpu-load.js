// The load of a pair: keep-alive connections to both servers, in rounds. A round writes one request to every
// connection of one server and waits for every reply, then the same with the other one.
import { connect as connectHttp2 } from 'node:http2'
import { connect } from 'node:net'
import { once } from 'node:events'

const [protocol, connections] = [process.argv[2], Number(process.argv[3])]
const ports = process.argv.slice(4).map(Number)
const request = Buffer.from('GET / HTTP/1.1\r\nHost: bench\r\n\r\n')

let waiting = 0
let roundOver
let replyBytes = 0

function answered (bytes) {
  // Every reply is equally long, so bytes count replies; Date and Keep-Alive have a fixed width.
  if (bytes % replyBytes !== 0) throw new Error(`a reply of ${bytes} bytes, expected ${replyBytes}`)
  waiting -= bytes / replyBytes
  if (waiting === 0) roundOver()
}

async function open (port) {
  const socket = connect(port, '127.0.0.1').setNoDelay(true)
  await once(socket, 'connect')
  socket.write(request)
  const [first] = await once(socket, 'data')
  if (!first.toString().startsWith('HTTP/1.1 200 OK\r\n') || !first.toString().endsWith('{"hello":"world"}')) {
    throw new Error(`unexpected reply: ${first}`)
  }
  replyBytes = first.length
  socket.on('data', chunk => answered(chunk.length))
  socket.on('close', () => { throw new Error('a server closed a connection') })
  return socket
}

/** One stream per session and round, as one request per connection of HTTP/1. */
async function openHttp2 (port) {
  const session = connectHttp2(`http://127.0.0.1:${port}`)
  await once(session, 'connect')
  session.on('close', () => { throw new Error('a server closed a session') })
  session.on('error', error => { throw error })
  return {
    write () {
      const stream = session.request({ ':path': '/' })
      let status
      let body = ''
      stream.setEncoding('utf8')
      stream.on('response', headers => { status = headers[':status'] })
      stream.on('data', chunk => { body += chunk })
      stream.on('end', () => {
        if (status !== 200 || body !== '{"hello":"world"}') throw new Error(`unexpected reply: ${status} ${body}`)
        if (--waiting === 0) roundOver()
      })
      stream.end()
    }
  }
}

const groups = []
for (const port of ports) {
  const sockets = []
  for (let index = 0; index < connections; index++) {
    sockets.push(await (protocol === 'http2' ? openHttp2(port) : open(port)))
  }
  groups.push(sockets)
}

// One server at a time, a few milliseconds each: with both at once the slower one answers the end of each round
// alone, to a client that has gone to sleep and must be woken, and pays for that in its own system time. One
// percent would look like four.
async function run (rounds) {
  for (let round = 0; round < rounds; round++) {
    for (const sockets of round % 2 ? groups.toReversed() : groups) {
      waiting = sockets.length
      const over = new Promise(resolve => { roundOver = resolve })
      for (const socket of sockets) socket.write(request)
      await over
    }
  }
}

process.on('message', rounds => {
  void run(rounds).then(() => process.send({ done: true }))
})
process.on('disconnect', () => process.exit())
process.send({ ready: true })
