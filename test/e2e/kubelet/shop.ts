import { between, longestIdle } from '../client.ts'
import type { Manner } from '../client.ts'

const photo = { type: 'image/jpeg', content: Buffer.alloc(64 * 1024, 'x') }
const order = { type: 'application/json', content: Buffer.from('{"product":7,"pieces":3}') }
const isProduct = (body: string): boolean => /^\{"id":"\d+","stock":12\}$/.test(body)

/** Users of the shop in `examples/service`. */
export const shopUsers: Manner[] = [
  {
    name: 'immediate',
    weight: 36,
    path: () => `/products/${between(1, 100)}`,
    burst: 4,
    isRight: isProduct
  },
  {
    name: 'paused',
    weight: 20,
    path: () => `/products/${between(1, 100)}`,
    think: longestIdle,
    isRight: isProduct
  },
  {
    name: 'fresh',
    weight: 15,
    path: () => `/products/${between(1, 100)}`,
    fresh: true,
    isRight: isProduct
  },
  {
    name: 'slow',
    weight: 10,
    path: () => `/products/7/offer?patience=${between(50, 500)}`,
    isRight: (body) => body === '{"id":"7","price":9.95}'
  },
  {
    name: 'very slow',
    weight: 1,
    path: () => '/products/7/offer?patience=2500',
    isRight: (body) => body === '{"id":"7","price":9.95}'
  },
  {
    name: 'streamed',
    weight: 1,
    path: () => '/products.csv',
    isRight: (body) => body.endsWith('\n39999,product of the shop,in stock,always fresh,9.95\n')
  },
  {
    name: 'upload',
    weight: 9,
    method: 'PUT',
    body: photo,
    path: () => `/photos/p${between(1, 20)}`,
    isRight: (body) => body.includes(`"bytes":${photo.content.length},`)
  },
  {
    name: 'order',
    weight: 8,
    method: 'POST',
    body: order,
    status: 202,
    path: () => '/orders',
    isRight: (body) => /^\{"id":"[\da-f-]{36}"\}$/.test(body)
  }
]
