import { once } from 'node:events'
import { connect, createServer } from 'node:net'
import type { AddressInfo, Socket } from 'node:net'
import t from 'tap'
import type { Test } from 'tap'
import { sendNotice } from '../../lib/traffic/session-end.ts'
import { until } from '../support/app.ts'

const notice = [0, 0, 8, 7, 0, 0, 0, 0, 0, 0x7F, 0xFF, 0xFF, 0xFF, 0, 0, 0, 0]

/** Both ends of a connection, the service's first; it has sent one byte. */
async function open (t: Test): Promise<[Socket, Socket]> {
  const server = createServer()
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const far = connect((server.address() as AddressInfo).port, '127.0.0.1')
  const [near] = await once(server, 'connection') as [Socket]
  for (const socket of [near, far]) socket.on('error', () => {})
  t.teardown(() => {
    near.destroy()
    far.destroy()
    server.close()
  })
  near.write('x')
  await once(far, 'data')
  return [near, far]
}

t.test('a client reads one GOAWAY without an error, whose last stream is 2^31-1', async (t) => {
  const [near, far] = await open(t)
  t.equal(sendNotice(near), 'sent')
  const [got] = await once(far, 'data') as [Buffer]
  t.same([...got], notice)
})

t.test('nothing comes before the first frame of a connection', async (t) => {
  const [near, far] = await open(t)
  Object.defineProperty(near, 'bytesWritten', { value: 0 })
  t.equal(sendNotice(near), 'not now')
  far.once('data', () => t.fail('something was sent'))
  near.end()
  await once(far, 'end')
})

t.test('what waits to be written comes first', async (t) => {
  const [near, far] = await open(t)
  const size = 30_000_000
  near.write(Buffer.alloc(size, 'x'))
  t.equal(sendNotice(near), 'not now')
  let read = 0
  far.on('data', ({ length }: Buffer) => { read += length })
  await until(() => near.writableLength === 0)
  t.equal(sendNotice(near), 'sent')
  await until(() => read === size + notice.length)
})

// Scenario, too: Sessions of clients some milliseconds away that never stop asking…
t.test('a kernel that takes nothing more, while nothing waits in the service', async (t) => {
  const [near, far] = await open(t)
  let sent = 0
  let last: ReturnType<typeof sendNotice>
  while ((last = sendNotice(near)) === 'sent') sent++
  t.equal(last, 'not now')
  t.ok(sent > 100, `${sent} times`)
  // Half a frame can only be the last of what is sent.
  const hasHalf = near.destroyed
  let read = 0
  far.on('data', ({ length }: Buffer) => { read += length })
  near.end()
  await once(far, 'end')
  t.equal(Math.floor(read / notice.length), sent)
  t.equal(read % notice.length > 0, hasHalf)
})

t.test('a client that has gone', async (t) => {
  const [near, far] = await open(t)
  far.resetAndDestroy()
  await until(() => near.destroyed)
  t.equal(sendNotice(near), 'never')
})

// Scenario, too: Sessions of clients some milliseconds away that never stop asking…
t.test('where Node does not give what it takes', async (t) => {
  const [near, far] = await open(t)
  const handle = Reflect.get(near, '_handle') as object
  const fd = Reflect.get(handle, 'fd') as number
  const rows: Record<string, object | undefined> = {
    'no connection': undefined,
    'no handle': {},
    'a handle of null': { _handle: null },
    'no file descriptor': { _handle: { writeQueueSize: 0 } },
    'that of Windows': { _handle: { fd: -1, writeQueueSize: 0 } },
    'one that is not open': { _handle: { fd: 2 ** 30, writeQueueSize: 0 } },
    'no size of the queue': { _handle: { fd } },
    TLS: { _handle: { fd, writeQueueSize: 0 }, encrypted: true }
  }
  for (const [name, carrier] of Object.entries(rows)) t.equal(sendNotice(carrier as Socket | undefined), 'never', name)
  far.once('data', () => t.fail('something was sent'))
  near.end()
  await once(far, 'end')
})
