// The visitors of the shop. Strong enough that a close which loses requests is seen to, gentle enough for two cores.
import { createHash } from 'node:crypto'

const random = (from, to) => from + Math.floor(Math.random() * (to - from))

const picture = Buffer.alloc(48 * 1024, 'picture')
const pictureHash = createHash('sha256').update(picture).digest('hex')

/** Requests a second, over all replicas. */
export const rate = 150

/** Each kind of visitor: the share of all requests, the request, and the pause before the next one in milliseconds. */
export const profiles = [
  {
    name: 'product',
    weight: 60,
    path: () => `/products/${random(1, 1000)}`,
    think: 200,
    isRight: (body) => /^\{"id":"\d+","stock":12\}$/.test(body)
  },
  {
    name: 'offer',
    weight: 18,
    path: () => `/products/7/offer?patience=${random(50, 500)}`,
    think: 150,
    isRight: (body) => String(body) === '{"id":"7","price":9.95}'
  },
  {
    name: 'order',
    weight: 10,
    method: 'POST',
    path: '/orders',
    headers: { 'content-type': 'application/json' },
    body: Buffer.from('{"product":7}'),
    bodyPause: [50, 100],
    think: 300,
    status: 202,
    isRight: (body) => /^\{"id":"[\da-f-]{36}"\}$/.test(body)
  },
  {
    name: 'download',
    weight: 2,
    path: '/products.csv',
    think: 300,
    isRight: (body) => body.length > 2_000_000 && body.toString('latin1', body.length - 200).includes('\n39999,')
  },
  {
    // In two parts, so that an update has a chance to come in between.
    name: 'upload',
    weight: 10,
    method: 'PUT',
    path: () => `/photos/visitor-${random(1, 1000)}`,
    headers: { 'content-type': 'image/jpeg' },
    body: picture,
    bodyPause: [50, 100],
    think: 200,
    isRight: (body) => body.includes(pictureHash)
  }
]

/** Those that stay: they come back when they are told to leave, and are lost when they are dropped. */
export const stays = [
  { kind: 'events', path: '/orders/events', clients: 4 },
  { kind: 'websocket', path: '/orders/socket', clients: 4 }
]
