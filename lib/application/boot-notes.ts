import type { FastifyInstance } from 'fastify'
import { isMainThread } from 'node:worker_threads'
import { missingMessage } from '../fastify/check-internals.ts'
import type { Settings } from '../settings.ts'
import { platformLine } from '../platform/surroundings.ts'
import { deafAncestor, deafAncestorMessage } from '../process/ancestors.ts'
import { answersHttp1 } from '../traffic/http1-probes.ts'

/** A line for the log. */
export interface BootNote { level: 'info' | 'warn', fields: { event: string, port?: number }, message: string }

/** PID 1 is the same for all applications of a process. */
let hasToldOfParent = false

/**
 * Where the process runs, what keeps probes or signals from an application, and what the plugin misses: one line each,
 * once it listens.
 */
export function bootNotes (root: FastifyInstance, settings: Settings): BootNote[] {
  const { exit, signals, probes, watchdog } = settings
  const notes: BootNote[] = [platformNote(settings) ?? []].flat()
  const missing = missingMessage(root)
  if (missing !== undefined) notes.push({ level: 'warn', fields: { event: 'graceful.internals' }, message: missing })
  const isUnheard = speaksCleartextHttp2(root) && !answersHttp1(root.server)
  if (probes !== false && isUnheard) notes.push(noteOnHttp2(watchdog?.port))
  if (exit && isMainThread && signals['SIGTERM'] !== false && signals['SIGTERM'] !== 'ignore' && !hasToldOfParent) {
    const name = deafAncestor()
    hasToldOfParent = name !== undefined
    if (name !== undefined) {
      notes.push({ level: 'warn', fields: { event: 'graceful.parent' }, message: deafAncestorMessage(name) })
    }
  }
  return notes
}

/** Where probes over HTTP/1.1 get an answer. */
function noteOnHttp2 (port: number | undefined): BootNote {
  const server = 'this server speaks HTTP/2 without TLS and nothing else: probes over HTTP/1.1'
  if (port !== undefined) {
    const message = `${server} are answered on the port of the watchdog${port === 0 ? '' : `, ${port}`}`
    return { level: 'info', fields: { event: 'graceful.http2', port }, message }
  }
  return {
    level: 'warn',
    fields: { event: 'graceful.http2' },
    message: `${server}, as those of a kubelet and of most balancers, get no answer from it. The option watchdog.port `
      + 'gives them a port of their own, where HTTP/1.1 is spoken'
  }
}

/** A supervisor speaks for its children. A worker thread gets no signal, but a close by Platformatic's runtime. */
function platformNote (settings: Settings): BootNote | undefined {
  const { surroundings, graceFrom, supervised, inService, budget: { gracePeriod, announce } } = settings
  const isWatt = surroundings.all.some(({ name }) => name === 'platformatic')
  if (supervised || !(isMainThread || isWatt)) return undefined
  return platformLine({ surroundings, graceFrom, inService, gracePeriod, announceMin: announce.min })
}

/** Also where the server was made by a factory. */
function speaksCleartextHttp2 (root: FastifyInstance): boolean {
  return Object.getPrototypeOf(root.server)?.constructor?.name === 'Http2Server'
}
