import { execFile } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { promisify, stripVTControlCharacters } from 'node:util'
import { cleanEnv } from '../support/clean-env.ts'

const execute = promisify(execFile)
const path = (name: string): string => fileURLToPath(new URL(name, import.meta.url))

/** Where the service runs that is said to miss something: by itself, or below a parent. */
export type Place = 'alone' | 'child' | 'worker'

/** Each part that is looked for at the start, with the beginning of what is done without it. */
export const parts: ReadonlyArray<[part: string, instead: string, place?: Place]> = [
  ['_httpMessage', 'each reply is followed from the beginning'],
  ['_storeHeader', 'writeHead is wrapped'],
  ['_header', 'no "Connection: close" is taken back'],
  ['_headerSent', 'no "Connection: close" is taken back'],
  ['_last', 'no "Connection: close" is taken back'],
  ['outputData', 'no "Connection: close" is taken back from a reply that waits for another one'],
  ['_hasBody', 'no "Connection: close" is taken back from a reply to HEAD'],
  ['parser', 'each upgraded connection is noted'],
  ['getCurrentBuffer', 'a request that comes together with others'],
  ['_readableState', 'the end of a client is noticed'],
  ['_handle', 'what the kernel has not taken'],
  ['_parent', 'the connection under one of TLS'],
  ['httpAllowHalfOpen', 'a client that has ended its side'],
  ['_getActiveHandles', 'what keeps the process is named by its kind alone'],
  ['unrefCounted', 'the channel to the parent keeps the process', 'child'],
  ['refCounted', 'a process that has nothing else to do may end', 'child'],
  ['internalMessage', 'an order of the primary', 'worker'],
  ['_current', 'the report names no plugin that boots'],
  ['_closeQ', 'the report does not name hooks'],
  ['isOnCloseHandler', 'the report does not name hooks'],
  ['fastify.state', 'boot is stopped'],
  ['fastify.hooks', 'preClose hooks are run by Fastify'],
  ['fastify.children', 'preClose hooks of plugins are run by Fastify'],
  ['fastify.pluginNameChain', 'the report names no plugins'],
  ['fastify.options', 'a server of serverFactory'],
  ['fastify.serverBindings', 'a second listener of localhost'],
  ['fastify.Reply', 'whether a handler that hijacks'],
  ['fastify.context', 'the hook of requests stays where it is'],
  ['fastify.reply.hijacked', 'a handler whose client has left']
]

/** Parts that nobody can look for at the start. */
export const unchecked = ['_onTimeout', 'writeQueueSize', 'stream_base_commons', 'setMaxListeners'] as const

/** Without a descriptor no GOAWAY is written past nghttp2: a session of h2c is told when one over TLS would be. */
const likeTls = {
  'http2.test.ts': [
    'h2c > a session that was told in phase 1', 'h2c > 20 requests on the wire', 'h2c > GOAWAY comes in phase 1, on the ramp',
    'h2c > a session opened in phase 1'
  ]
}

/** What is not so without a part, by the file of this folder that shows it: the beginnings of what fails then. */
export const different: Readonly<Record<string, Readonly<Record<string, readonly string[]>>>> = {
  _handle: likeTls,
  writeQueueSize: likeTls,
  // Fastify closes the second one itself, in phase 4.
  'fastify.serverBindings': {
    'listeners.test.ts': ['plain', 'TLS'].map((kind) => `localhost, which binds two servers > ${kind}: requests in flight`)
  }
}

/** How a program without a part has ended, and what it wrote. */
export interface Run { code: number, output: string }

/** Runs a program of this folder in which the plugin finds no such part, with arguments. */
export async function runWithout (part: string, file: string, ...args: string[]): Promise<Run> {
  const imports = ['strip-types.js', 'without-part.js'].flatMap((name) => ['--import', path(`../support/${name}`)])
  const env = [...cleanEnv, `WITHOUT_PART=${part}`, 'TAP_TIMEOUT=240']
  try {
    const command = [...env, process.execPath, ...imports, path(file), ...args]
    const { stdout, stderr } = await execute('env', command, { maxBuffer: 64 << 20, timeout: 250_000 })
    return { code: 0, output: stdout + stderr }
  } catch (error) {
    const { code, signal, stdout, stderr } = error as Record<'code' | 'signal' | 'stdout' | 'stderr', never>
    return { code: code ?? signal, output: String(stdout) + String(stderr) }
  }
}

/** What failed, each with the titles of the tests around it. */
export function failuresOf ({ code, output }: Run): string[] {
  const titles: string[] = []
  const failures: string[] = []
  for (const line of stripVTControlCharacters(output).split('\n')) {
    const [, begun, beginning] = /^( *)# Subtest: (.*)$/.exec(line) ?? []
    if (begun !== undefined) titles[begun.length / 4] = beginning!
    const [, indent, not, title = '', brace] = /^( *)(not )?ok \d+ - (.*?)(?: # .*?)?( \{)?$/.exec(line) ?? []
    if (indent === undefined) continue
    const depth = indent.length / 4
    if (brace !== undefined) titles[depth] = title
    else if (not !== undefined && titles[depth] !== title) failures.push([...titles.slice(0, depth), title].join(' > '))
  }
  return failures.length > 0 || code === 0 ? failures : [`ended with ${code}: ${output.slice(-2000)}`]
}
