import type { FastifyInstance } from 'fastify'
import { messageOf } from '../errors.ts'
import { missingOfFastify } from './internals.ts'
import { checkNode } from './node-internals.ts'
import type { MissingPart } from './node-internals.ts'

/** Node is the same for all applications of a process. */
let ofNode: MissingPart[] | undefined

/**
 * Looks whether the private parts that are used are there, once per process as far as they are Node's, and switches to
 * what works without those that are not.
 */
export function checkInternals (root: FastifyInstance): MissingPart[] {
  ofNode ??= lookAtNode()
  return [...ofNode, ...missingOfFastify(root)]
}

/** A look that fails, where somebody has replaced what it looks at, must not keep an application from its start. */
function lookAtNode (): MissingPart[] {
  try {
    return checkNode()
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
