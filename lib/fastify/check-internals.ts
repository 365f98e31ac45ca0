import type { FastifyInstance } from 'fastify'
import cluster from 'node:cluster'
import { messageOf } from '../errors.ts'
import { missingOfFastify, missingOfAvvio } from './internals.ts'
import { checkNode } from './node-internals.ts'
import type { NodePart } from './node-internals.ts'
import { missingOfProcess } from './process-internals.ts'
import type { MissingPart } from './process-internals.ts'

/** Node is the same for all applications of a process. */
let ofNode: MissingPart[] | undefined

/** What is done without the parts that requests pass. */
const insteadOf: Readonly<Record<NodePart, string>> = {
  _httpMessage: 'each reply is followed from the beginning',
  _storeHeader: 'writeHead is wrapped, which others may wrap again',
  _header: 'no "Connection: close" is taken back from a reply that waits',
  _headerSent: 'no "Connection: close" is taken back from a reply that waits',
  _last: 'no "Connection: close" is taken back from a reply that waits',
  outputData: 'no "Connection: close" is taken back from a reply that waits for another one',
  _hasBody: 'no "Connection: close" is taken back from a reply to HEAD without a length',
  parser: 'each upgraded connection is noted',
  getCurrentBuffer: 'a request that comes together with others may count as the last of its connection',
  _readableState: 'the end of a client is noticed when somebody reads as far as that',
  _handle: 'what the kernel has not taken of a write is not known, a session of h2c is told to go as one over TLS, '
    + 'and the last words of a process may be cut',
  _parent: 'the connection under one of TLS is told by its peer',
  httpAllowHalfOpen: 'a client that has ended its side counts as gone'
}

/**
 * Looks whether the private parts that are used are there, once per process as far as they are Node's, and switches to
 * what works without those that are not.
 */
export function checkInternals (root: FastifyInstance): MissingPart[] {
  ofNode ??= [...lookAtNode(), ...missingOfProcess(cluster)]
  return [...ofNode, ...missingOfFastify(root), ...missingOfAvvio()]
}

/** A look that fails, where somebody has replaced what it looks at, must not keep an application from its start. */
function lookAtNode (): MissingPart[] {
  try {
    return checkNode().flatMap(([part, isThere]) => isThere ? [] : [{ part, instead: insteadOf[part] }])
  } catch (error) {
    return [{ part: 'those of HTTP', instead: `they could not be looked for: ${messageOf(error)}` }]
  }
}

/** One line for all of them; undefined where none is missing. */
export function missingMessage (root: FastifyInstance): string | undefined {
  const missing = checkInternals(root)
  if (missing.length === 0) return undefined
  const list = missing.map(({ part, instead }) => `${part} (${instead})`).join(', ')
  return `private parts that the plugin knows are missing in Node ${process.versions.node} with Fastify `
    + `${root.version}, and it goes on without them: ${list}`
}
