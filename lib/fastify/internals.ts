import type { FastifyInstance } from 'fastify'

/** As much of Fastify's own state as an end has to know. */
export interface FastifyState { aborted?: boolean, started?: boolean, ready?: boolean, listening?: boolean }

/** A `preClose` hook as Fastify keeps it. */
export type PreClose = (this: FastifyInstance, done?: (error?: unknown) => void) => unknown

/** What Fastify keeps under symbols of these descriptions, which are not exported. */
interface FastifyParts {
  'fastify.state': FastifyState
  'fastify.hooks': { preClose?: PreClose[] }
  'fastify.children': FastifyInstance[]
  'fastify.pluginNameChain': string[]
  'fastify.options': { serverFactory?: unknown }
  'fastify.serverBindings': Array<FastifyInstance['server']>
}

/** A private part of an instance, or the nearest one that it inherits; undefined where this Fastify has none. */
export function partOf<Name extends keyof FastifyParts> (
  instance: FastifyInstance,
  description: Name
): FastifyParts[Name] | undefined {
  for (let holder: object | null = instance; holder !== null; holder = Object.getPrototypeOf(holder) as object | null) {
    const symbol = Object.getOwnPropertySymbols(holder).find((candidate) => candidate.description === description)
    if (symbol !== undefined) return (holder as Record<symbol, FastifyParts[Name]>)[symbol]
  }
  return undefined
}

/** The state of an application. */
export function stateOf (root: FastifyInstance): FastifyState | undefined {
  return partOf(root, 'fastify.state')
}

/** Whether boot is over, its `onReady` hooks included. */
export function isReady (root: FastifyInstance): boolean {
  return stateOf(root)?.ready === true
}

/** Whether Fastify's own close closes the server: not one of `serverFactory` that somebody else has made listen. */
export function closesServer (root: FastifyInstance): boolean {
  return partOf(root, 'fastify.options')?.serverFactory === undefined || stateOf(root)?.listening !== false
}
