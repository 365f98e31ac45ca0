// A client that retries nothing and checks each reply to its last byte.
import { Agent, request } from 'node:http'
import { connect } from 'node:net'
import { WebSocket } from 'ws'

/** A kept connection. Where the server has closed it, the next request opens another one, as a pool does. */
export const keptConnection = () => new Agent({ keepAlive: true, maxSockets: 1 })

/**
 * One request. Answers `'answered'`, or how it was lost: `refused`, `reset`, `cut`, or the status.
 *
 * @param options.body the parts of the body, the milliseconds `pause` between them
 * @param options.last what a complete reply ends with
 */
export function ask (port, path, { agent = new Agent(), method = 'GET', body = [], pause = 0, last = 'done' } = {}) {
  const { promise, resolve } = withResolvers()
  const length = Buffer.byteLength(body.join(''))
  const headers = length > 0 ? { 'content-type': 'text/plain', 'content-length': length } : {}
  const sent = request({ host: '127.0.0.1', port, path, method, agent, headers }, response => {
    let text = ''
    response.setEncoding('utf8')
    response.on('data', chunk => { text += chunk })
    response.on('end', () => {
      if (response.statusCode !== 200) resolve(String(response.statusCode))
      else resolve(text.endsWith(last) ? 'answered' : 'cut')
    })
    response.on('error', () => resolve('cut'))
    response.on('close', () => resolve('cut'))
  })
  sent.on('error', error => resolve(error.code === 'ECONNREFUSED' ? 'refused' : 'reset'))
  body.forEach((part, index) => setTimeout(() => sent.write(part), index * pause))
  setTimeout(() => sent.end(), Math.max(0, body.length - 1) * pause)
  return promise
}

/** A connection on which nothing is ever sent. */
export async function silentConnection (port) {
  const { promise, resolve } = withResolvers()
  const socket = connect(port, '127.0.0.1', resolve)
  socket.on('error', resolve)
  await promise
}

/** A WebSocket that stays open: `opened`, and how it went: `'answered'` where the server has sent a close frame. */
export function webSocket (port, path) {
  const opened = withResolvers()
  const ended = withResolvers()
  const socket = new WebSocket(`ws://127.0.0.1:${port}${path}`)
  socket.on('open', opened.resolve)
  socket.on('error', opened.resolve)
  socket.on('close', code => ended.resolve(code === 1006 ? 'reset' : 'answered'))
  return { opened: opened.promise, ended: ended.promise }
}

function withResolvers () {
  let resolve
  const promise = new Promise(done => { resolve = done })
  return { promise, resolve }
}
