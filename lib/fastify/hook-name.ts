import type { Session } from 'node:inspector'
import { fileURLToPath } from 'node:url'
import type { FastifyInstance } from 'fastify'
import { pluginNameOf } from './internals.ts'

/** What Fastify calls a plugin that has no name: the first lines of its source. */
const isSource = /[\s(){}=]/

/**
 * What a hook of the application is called in logs and in the report: by its function and its
 * plugin, and by the place where it comes from, where it has neither.
 *
 * @param name the function's
 */
export function nameHook (kind: string, name: string, plugin: string | undefined, place: string | undefined): string {
  const own = name.replace(/^(bound )+/, '')
  const of = plugin === undefined ? '' : ` of plugin '${plugin}'`
  if (own !== '') return `${kind} hook '${own}'${of}`
  return `${kind} hook${of}${place === undefined ? of === '' ? ' without a name' : '' : ` at ${place}`}`
}

/** The plugin that an encapsulated instance belongs to; undefined for the root, and for one without a name. */
export function pluginOf (instance: FastifyInstance): string | undefined {
  if (Object.getPrototypeOf(Object.getPrototypeOf(instance)) === null) return undefined
  return nameOfPlugin(pluginNameOf(instance))
}

/** A plugin's name, where it is one. */
export function nameOfPlugin (name: string | undefined): string | undefined {
  return name === undefined || name === '' || isSource.test(name) ? undefined : name
}

/** A frame of a stack: the file, and the line and column in it. */
const frame = /(?:\(|at (?:async )?)((?:file:\/\/|\/|[A-Za-z]:\\)[^()]*?):(\d+):\d+\)?$/
/** Whose frames say nothing of who called. */
const isBetween = /[\\/]node_modules[\\/](?:fastify|avvio|fastify-plugin|fastq)[\\/]/

/** The first place of a stack that is not Fastify's, for example `/app/server.js:12`. */
export function placeOf (stack: string): string | undefined {
  for (const line of stack.split('\n')) {
    const [, file, number] = frame.exec(line) ?? []
    if (file === undefined || isBetween.test(file)) continue
    return `${pathOf(file)}:${number}`
  }
  return undefined
}

/** The package that a place belongs to; undefined for the application's own files. */
export function packageOf (place: string | undefined): string | undefined {
  return place === undefined
    ? undefined
    : [...place.matchAll(/[\\/]node_modules[\\/]((?:@[^\\/]+[\\/])?[^\\/]+)[\\/]/g)].at(-1)?.[1]?.replace('\\', '/')
}

/** What the inspector tells of an object. */
interface Properties {
  internalProperties?: Property[]
  result?: Property[]
}
interface Property {
  name: string
  value?: { objectId?: string, description?: string, value?: { scriptId: string, lineNumber: number } }
}

/** A function as it was written, behind `bind` and behind the wrapper that avvio puts around a hook. */
export interface Written { name: string, place: string | undefined }

/**
 * Finds out who wrote functions that others have bound or wrapped, from V8 itself. It takes milliseconds:
 * for the end, not for a running service. A function that V8 tells nothing of is left unnamed.
 *
 * @param variable what a wrapper calls the function that it wraps
 */
export function findWritten (functions: readonly Function[], variable: string): Written[] {
  const key = Symbol.for('fastify-graceful.functions')
  const holder = globalThis as Record<symbol, unknown>
  let session: Session | undefined
  try {
    // A Node that was built without an inspector has no such module.
    session = new (process.getBuiltinModule('node:inspector').Session)()
    session.connect()
    holder[key] = functions
    const look = new Look(session)
    return functions.map((_function, index) =>
      look.at(`globalThis[Symbol.for('fastify-graceful.functions')][${index}]`, variable)
    )
  } catch {
    return functions.map(() => ({ name: '', place: undefined }))
  } finally {
    delete holder[key]
    session?.disconnect()
  }
}

/** One look at the functions of this process. */
class Look {
  readonly #session: Session
  /** The files of the scripts, by their ids. */
  readonly #files = new Map<string, string>()

  constructor (session: Session) {
    this.#session = session
    session.on('Debugger.scriptParsed', ({ params: { scriptId, url } }) => { this.#files.set(scriptId, url) })
    session.post('Debugger.enable')
  }

  at (expression: string, variable: string): Written {
    const found = this.#post('Runtime.evaluate', { expression }) as { result?: { objectId?: string } } | undefined
    let id = found?.result?.objectId
    // A hook that was bound, in a wrapper that was bound, that somebody has bound before.
    for (let depth = 0; depth < 10 && id !== undefined; depth++) {
      const { internalProperties = [], result = [] } = this.#properties(id)
      const target = internalProperties.find(({ name }) => name === '[[TargetFunction]]')?.value?.objectId
        ?? this.#variable(internalProperties, variable)
      if (target === undefined) return this.#describe(internalProperties, result)
      id = target
    }
    return { name: '', place: undefined }
  }

  #describe (internal: Property[], result: Property[]): Written {
    const location = internal.find(({ name }) => name === '[[FunctionLocation]]')?.value?.value
    const file = location === undefined ? undefined : this.#files.get(location.scriptId)
    const name = result.find((property) => property.name === 'name')?.value as { value?: unknown } | undefined
    return {
      name: typeof name?.value === 'string' ? name.value : '',
      place: file === undefined || location === undefined ? undefined : `${pathOf(file)}:${location.lineNumber + 1}`
    }
  }

  /** What a wrapper wraps, in the scope that it was made in. */
  #variable (internal: Property[], variable: string): string | undefined {
    const scopes = internal.find(({ name }) => name === '[[Scopes]]')?.value?.objectId
    if (scopes === undefined) return undefined
    const [closure] = this.#properties(scopes).result ?? []
    if (closure?.value?.objectId === undefined || !/encapsulate/.test(closure.value.description ?? '')) return undefined
    return this.#properties(closure.value.objectId).result?.find(({ name }) => name === variable)?.value?.objectId
  }

  #properties (objectId: string): Properties {
    return (this.#post('Runtime.getProperties', { objectId, ownProperties: true }) as Properties | undefined) ?? {}
  }

  /** A session of the same thread answers before `post` returns. */
  #post (method: string, parameters: object): unknown {
    let answer: unknown
    this.#session.post(method, parameters, (_error, result) => { answer = result })
    return answer
  }
}

function pathOf (file: string): string {
  return file.startsWith('file:') ? fileURLToPath(file) : file
}
