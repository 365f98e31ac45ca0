// The load of a pair: keep-alive connections to both servers, in rounds. A round writes one request to every
// connection of one server and waits for every reply, then the same with the other one.
import { connect } from 'node:net'
import { once } from 'node:events'

const connections = Number(process.argv[2])
const ports = process.argv.slice(3).map(Number)
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

const groups = []
for (const port of ports) {
  const sockets = []
  for (let index = 0; index < connections; index++) sockets.push(await open(port))
  groups.push(sockets)
}

// One server at a time, a few milliseconds each: with both at once the slower one answers the end of each round alone, to a
// client that has gone to sleep and must be woken, and pays for that in its own system time. One percent would look like four.
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
