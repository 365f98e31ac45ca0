import type { RequestProfile } from '../../../lib/drill/profiles.ts'
import { between, longestIdle, pause, reads } from '../users.ts'

const photo = Buffer.alloc(64 * 1024, 'x')
const product = {
  path: () => `/products/${between(1, 100)}`,
  status: 200,
  isRight: reads((text) => /^\{"id":"\d+","stock":12\}$/.test(text))
}
const offer = { status: 200, isRight: reads((text) => text === '{"id":"7","price":9.95}') }

/** Users of the shop in `examples/service`. */
export const shopUsers: readonly RequestProfile[] = [
  { ...product, name: 'immediate', weight: 36, burst: 4 },
  { ...product, name: 'paused', weight: 20, think: longestIdle },
  { ...product, name: 'fresh', weight: 15, keepAlive: false },
  { ...offer, name: 'slow', weight: 10, path: () => `/products/7/offer?patience=${between(50, 500)}` },
  { ...offer, name: 'very slow', weight: 1, path: '/products/7/offer?patience=2500' },
  {
    name: 'streamed',
    weight: 1,
    path: '/products.csv',
    status: 200,
    isRight: reads((text) => text.endsWith('\n39999,product of the shop,in stock,always fresh,9.95\n'))
  },
  {
    name: 'upload',
    weight: 9,
    method: 'PUT',
    path: () => `/photos/p${between(1, 20)}`,
    headers: { 'content-type': 'image/jpeg' },
    body: photo,
    bodyPause: pause,
    status: 200,
    isRight: reads((text) => text.includes(`"bytes":${photo.length},`))
  },
  {
    name: 'order',
    weight: 8,
    method: 'POST',
    path: '/orders',
    headers: { 'content-type': 'application/json' },
    body: Buffer.from('{"product":7,"pieces":3}'),
    bodyPause: pause,
    status: 202,
    isRight: reads((text) => /^\{"id":"[\da-f-]{36}"\}$/.test(text))
  }
]
