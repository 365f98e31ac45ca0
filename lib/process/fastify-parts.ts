import type { FastifyInstance } from 'fastify'

/** As much of Fastify's own state as an end has to know. */
export interface FastifyState { aborted?: boolean, started?: boolean, ready?: boolean }

/** What Fastify keeps under a symbol of this description: they are not exported. Undefined where it has none. */
export function partOf<T> (instance: FastifyInstance, description: string): T | undefined {
  for (let holder: object | null = instance; holder !== null; holder = Object.getPrototypeOf(holder) as object | null) {
    const symbol = Object.getOwnPropertySymbols(holder).find((candidate) => candidate.description === description)
    if (symbol !== undefined) return (holder as Record<symbol, T>)[symbol]
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
