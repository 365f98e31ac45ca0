import type { RequestProfile, Span } from '../../lib/drill/profiles.ts'

/**
 * In ms. No user sends on a connection that has idled longer: the server may close one after `drain.idle` (5 s), and
 * a request that crosses this close on the wire is a race that no server can win.
 */
export const longestIdle = 2000

/** Between the two halves of a body: a server that closes in between loses the request. */
export const pause: Span = [100, 300]

/** A random integer: at least `low`, less than `high`. */
export const between = (low: number, high: number): number => low + Math.floor(Math.random() * (high - low))

/** Checks a body as text. */
export const reads = (isRight: (text: string) => boolean) => (body: Buffer): boolean => isRight(String(body))

const upload = Buffer.alloc(64 * 1024, 'x')
const isRight = reads((text) => text.startsWith('{"replica":') && text.endsWith('}'))
const status = 200

/** Users of `replica.js`. */
export const replicaUsers: readonly RequestProfile[] = [
  { name: 'immediate', weight: 34, path: '/', burst: 4, status, isRight },
  { name: 'paused', weight: 20, path: '/', think: longestIdle, status, isRight },
  { name: 'fresh', weight: 15, path: '/', keepAlive: false, status, isRight },
  { name: 'slow', weight: 10, path: () => `/slow?ms=${between(50, 500)}`, status, isRight },
  { name: 'very slow', weight: 1, path: '/very-slow', status, isRight },
  {
    name: 'streamed',
    weight: 10,
    path: () => between(0, 2) === 0 ? '/stream' : '/stream?length',
    status,
    isRight: reads((text) => text.split('\n').length === 12 && text.endsWith('end\n'))
  },
  {
    name: 'upload',
    weight: 10,
    method: 'POST',
    path: '/upload',
    headers: { 'content-type': 'application/octet-stream' },
    body: upload,
    bodyPause: pause,
    status,
    isRight: reads((text) => text.endsWith(`"bytes":${upload.length}}`))
  }
]
