// The visitors of the shop. Strong enough that a close which loses requests is seen to, gentle enough for two cores.
import { createHash } from 'node:crypto'

const random = (from, to) => from + Math.floor(Math.random() * (to - from))
const picture = Buffer.alloc(48 * 1024, 'picture')
const pictureHash = createHash('sha256').update(picture).digest('hex')
let visitor = 0

/** Requests a second, all visitors together. */
export const rate = 150

/** Each kind of visitor; a weight is about the requests a second, and bodies come in two parts. */
export const profiles = [
  {
    name: 'product',
    weight: 96,
    think: 240,
    path: () => `/products/${random(1, 1000)}`,
    isRight: (body, path) => `/products/${JSON.parse(body).id}` === path
  },
  {
    name: 'order',
    weight: 16,
    think: 400,
    method: 'POST',
    path: '/orders',
    headers: { 'content-type': 'application/json' },
    body: Buffer.from('{"product":7}'),
    bodyPause: [50, 50],
    status: 202,
    isRight: (body) => JSON.parse(body).id !== ''
  },
  {
    name: 'slow offer',
    weight: 28,
    think: 170,
    path: () => `/products/7/offer?patience=${random(50, 500)}`,
    isRight: (body) => JSON.parse(body).id === '7'
  },
  {
    name: 'download',
    weight: 3,
    think: 400,
    path: '/products.csv',
    isRight: (body) => body.length > 2_000_000 && body.toString('latin1', body.length - 200).includes('\n39999,')
  },
  {
    name: 'upload',
    weight: 17,
    think: 300,
    method: 'PUT',
    // Nobody writes a photo that somebody else is writing.
    path: () => `/photos/visitor-${visitor++ % 100}`,
    headers: { 'content-type': 'image/jpeg' },
    body: picture,
    bodyPause: [50, 100],
    isRight: (body) => JSON.parse(body).sha256 === pictureHash
  }
]
