// The visitors of the shop. Strong enough that a close which loses requests is seen to, gentle enough for two cores.
import { createHash } from 'node:crypto'
import { setTimeout as sleep } from 'node:timers/promises'
import { createClient } from './client.js'
import { keepSocketOpen, keepStreamOpen } from './long-lived.js'

const random = (from, to) => from + Math.floor(Math.random() * (to - from))

// Each kind of visitor: how many, the pause between two requests in milliseconds, and the request.
const visitors = [
  { count: 12, pause: [40, 200], ask: product },
  { count: 4, pause: [100, 300], ask: order },
  { count: 10, pause: [20, 150], ask: slowOffer },
  { count: 2, pause: [100, 300], ask: download },
  { count: 4, pause: [50, 200], ask: upload }
]

/**
 * Puts load on the port until it is stopped.
 * @returns {{ stop (): Promise<void> }} `stop` lets every visitor finish the request it has begun
 */
export function startLoad (port, tally) {
  const stopping = new AbortController()
  const { signal } = stopping
  const everyone = []
  for (const { count, pause, ask } of visitors) {
    for (let index = 0; index < count; index++) everyone.push(visit({ port, tally, signal, pause, ask, index }))
  }
  for (let index = 0; index < 4; index++) {
    everyone.push(keepStreamOpen({ port, tally, signal }), keepSocketOpen({ port, tally, signal }))
  }
  return {
    async stop () {
      stopping.abort()
      await Promise.all(everyone)
    }
  }
}

async function visit ({ port, tally, signal, pause, ask, index }) {
  const send = createClient(port)
  await sleep(random(0, 300)) // not all in the same moment
  while (!signal.aborted) {
    tally.count(await ask(send, index))
    await sleep(random(...pause))
  }
  send.close()
}

function product (send) {
  const id = String(random(1, 1000))
  return send({ path: `/products/${id}`, expect: (body) => JSON.parse(body).id === id })
}

function slowOffer (send) {
  return send({ path: `/products/7/offer?patience=${random(50, 500)}`, expect: (body) => JSON.parse(body).id === '7' })
}

function order (send) {
  const headers = { 'content-type': 'application/json' }
  return send({
    method: 'POST', path: '/orders', headers, parts: ['{"product":7}'], status: 202,
    expect: (body) => JSON.parse(body).id !== ''
  })
}

function download (send) {
  return send({
    path: '/products.csv',
    expect: (body) => body.length > 2_000_000 && body.toString('latin1', body.length - 200).includes('\n39999,')
  })
}

const picture = Buffer.alloc(24 * 1024, 'picture')
const pictureHash = createHash('sha256').update(picture).update(picture).digest('hex')

// In two parts, so that an update has a chance to come in between.
function upload (send, index) {
  const headers = { 'content-type': 'image/jpeg' }
  return send({
    method: 'PUT',
    path: `/photos/visitor-${index}`,
    headers,
    parts: [picture, picture],
    expect: (body) => JSON.parse(body).sha256 === pictureHash
  })
}
