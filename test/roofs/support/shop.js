// The routes that every service of this directory has, and what tells how many requests are in hand.
import { setTimeout as sleep } from 'node:timers/promises'

let inHand = 0
let answered = 0

/** What is written to standard output by others than the log is a line of its own. */
export const say = (text) => process.stdout.write(`${text}\n`)

/** Says what runs, and what of the traffic is left then. */
export const sayHook = (name, signal = '') => say(`hook ${name} ${signal} with ${inHand} in hand`.replace('  ', ' '))

/** Counts what comes to the server, whatever framework answers it. */
export function count (server) {
  server.on('request', (_request, response) => {
    inHand++
    response.once('close', () => {
      inHand--
      answered++
    })
  })
  process.once('exit', () => say(`answered ${answered}`))
}

export async function wait (milliseconds) {
  await sleep(Math.min(Number(milliseconds) || 50, 3000))
  return { ok: true }
}

/** Answers with the text after up to one and a half seconds; says how long that takes, and in which phase it is over. */
export async function work (app, text) {
  const time = Math.round(Math.random() * 1500)
  say(`works for ${time} ms`)
  await sleep(time)
  say(`worked while ${app.graceful.phase}`)
  return text
}

export async function shop (app) {
  count(app.server)
  app.get('/', async () => ({ ok: true }))
  app.get('/slow', async (request) => wait(request.query.ms))
  app.post('/echo', async (request) => request.body)
}
