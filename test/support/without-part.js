// Loaded with `--import` behind the strip of types: takes one private part of Node, Fastify or avvio away, by its name in
// the variable WITHOUT_PART, from the files that read them. Node itself goes on with it; the plugin finds none.
import { register } from 'node:module'
import { isMainThread } from 'node:worker_threads'

const part = process.env.WITHOUT_PART ?? ''
/** Names that are read as strings, as those of Fastify are. */
const strings = ['internalMessage', 'isOnCloseHandler', 'stream_base_commons', '_onTimeout', 'NODE_CLUSTER']
const isString = part.startsWith('fastify.') || strings.includes(part)
/** What gives a socket away is a method that everybody has: without the part it answers what it is called on. */
const giveaway = 'setMaxListeners'
if (isMainThread) register(import.meta.url)

export async function load (url, context, next) {
  const loaded = await next(url, context)
  if (!/\/lib\/fastify\/(?:avvio|(?:node-|process-)?internals)\.ts$/.test(url)) return loaded
  const source = String(loaded.source)
  if (part === giveaway) return { ...loaded, source: source.replace(/\.setMaxListeners\([\w.]+\(\)\)/, '') }
  const wanted = isString ? `(?<=['"])${part}(?=['"])` : `(?<![\\w'"])${part}\\b`
  return { ...loaded, source: source.replaceAll(new RegExp(wanted, 'g'), `${part}Missing`) }
}
