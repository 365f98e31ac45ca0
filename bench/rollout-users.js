// The users of rollout-routes.js: nothing is retried, and every reply is checked to the last byte.
const ok = '{"ok":true}'
const streamed = Array.from({ length: 10 }, (_, index) => `${index}`.repeat(1000)).join('')
const upload = Buffer.from(JSON.stringify({ text: 'x'.repeat(20_000) }))

const kinds = [
  { name: 'immediate', weight: 60, path: '/immediate', reply: ok },
  { name: 'slow', weight: 20, path: '/slow', reply: ok },
  { name: 'long', weight: 4, path: '/long', reply: ok },
  { name: 'stream', weight: 8, path: '/stream', reply: streamed },
  {
    name: 'upload',
    weight: 8,
    path: '/upload',
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: upload,
    bodyPause: [400, 400],
    reply: '{"received":20000}'
  }
]

/** Milliseconds that a user rests at most between two requests of one connection. */
const rest = 2000

/** Each eighth request has a connection of its own. */
export const users = kinds.flatMap(({ reply, ...kind }) => {
  const user = { ...kind, status: 200, isRight: body => String(body) === reply }
  return [
    { ...user, weight: 7 * kind.weight, think: rest },
    { ...user, name: `${kind.name}, fresh`, keepAlive: false }
  ]
})
