// Loaded with `--import` behind the strip of types: takes one private part of Node, Fastify or avvio away, by its name in
// the variable WITHOUT_PART, from the files that read them. Node itself goes on with it; the plugin finds none.
import { register } from 'node:module'
import { isMainThread } from 'node:worker_threads'

const part = process.env.WITHOUT_PART ?? ''
/** Names that are read as strings, as those of Fastify are. */
const isString = part.startsWith('fastify.') || ['internalMessage', 'isOnCloseHandler'].includes(part)
if (isMainThread) register(import.meta.url)

export async function load (url, context, next) {
  const loaded = await next(url, context)
  if (!/\/lib\/fastify\/(?:avvio|(?:node-|process-)?internals)\.ts$/.test(url)) return loaded
  const wanted = isString ? `(?<=['"])${part}(?=['"])` : `(?<![\\w'"])${part}\\b`
  return { ...loaded, source: String(loaded.source).replaceAll(new RegExp(wanted, 'g'), `${part}Missing`) }
}
