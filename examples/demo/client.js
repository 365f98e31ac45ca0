// A strict HTTP client: one kept-alive connection, one request at a time, nothing retried, every answer checked.
import { Agent, request } from 'node:http'

/** @returns a function that sends one request and resolves to the way it was lost, or to undefined */
export function createClient (port) {
  const agent = new Agent({ keepAlive: true, maxSockets: 1 })
  const send = (options) => exchange({ agent, port, host: '127.0.0.1', ...options })
  send.close = () => agent.destroy()
  return send
}

function exchange ({ parts = [], expect, status = 200, ...options }) {
  return new Promise((resolve) => {
    const outgoing = request({ ...options, signal: AbortSignal.timeout(10_000) })
    const lost = (error) => {
      if (error.name === 'AbortError' || error.name === 'TimeoutError') return resolve('late')
      resolve(outgoing.reusedSocket ? 'reset' : 'refused')
    }
    outgoing.once('response', (response) => {
      // From here on a failure is a half answer, which the reading finds.
      outgoing.off('error', lost).on('error', () => {})
      read(response, { status, expect }).then(resolve)
    })
    outgoing.once('error', lost)
    write(outgoing, parts)
  })
}

async function write (outgoing, parts) {
  for (const part of parts) {
    outgoing.write(part)
    await new Promise((resolve) => { setTimeout(resolve, 50) })
  }
  outgoing.end()
}

async function read (response, { status, expect }) {
  const chunks = []
  try {
    for await (const chunk of response) chunks.push(chunk)
  } catch {
    return 'truncated'
  }
  if (response.statusCode === 503) return 'unavailable'
  if (response.statusCode !== status) return 'wrong'
  return expect(Buffer.concat(chunks)) ? undefined : 'wrong'
}
