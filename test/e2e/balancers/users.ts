import type { RequestProfile } from '../../../lib/drill/profiles.ts'
import { pause, reads } from '../users.ts'

const upload = Buffer.alloc(64 * 1024, 'x')
const isOk = reads((text) => text === 'ok')

/** Users of `service.js`. Each request has a number of its own, by which it is known at the replicas. */
export function numberedUsers (): readonly RequestProfile[] {
  let number = 0
  const numbered = (path: string) => (): string => `${path}?id=${++number}`
  const get = (path: string, isRight = isOk): Pick<RequestProfile, 'path' | 'status' | 'isRight'> =>
    ({ path: numbered(path), status: 200, isRight })
  return [
    { ...get('/'), name: 'fresh', weight: 25, keepAlive: false },
    { ...get('/'), name: 'kept', weight: 25, burst: 4 },
    { ...get('/'), name: 'paused', weight: 15, think: 1000 },
    { ...get('/slow'), name: 'slow', weight: 10 },
    { ...get('/stream', reads((text) => text.split('\n').length === 7 && text.endsWith('end\n'))), name: 'streamed', weight: 5 },
    {
      ...get('/', reads((text) => text === `{"bytes":${upload.length}}`)),
      name: 'posting',
      weight: 20,
      method: 'POST',
      headers: { 'content-type': 'application/octet-stream' },
      body: upload,
      bodyPause: pause
    }
  ]
}

/** The number of a request, from its path. */
export const numberOf = (path: string): number => Number(new URL(path, 'http://localhost').searchParams.get('id'))
