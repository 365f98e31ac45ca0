import { setTimeout } from 'node:timers'
import { readVariable } from '../../util/given.ts'
import { parseArgs } from '../../util/node-util.ts'
import { printable } from '../printable.ts'
import { readAddress, whyUnreached } from '../target.ts'
import type { Target } from '../target.ts'
import { aTime, complain, parseTime, typed, UsageError } from '../usage.ts'
import type { Command } from '../usage.ts'
import { ask } from './ask.ts'
import type { Reply } from './ask.ts'

const help = `Usage: fastify-graceful probe livez|readyz|startupz [options] [<address>]

Asks a service whether it lives, is ready or has started, or one check of it (readyz/database), and says it by the
exit code alone: for HEALTHCHECK, exec probes and scripts. An address is a URL, host:port, a port of this machine,
or unix:/path/of/socket. Without one, it is made of the variables that the service has, the first that is set:
GRACEFUL_RUN_STATUS_SOCKET, GRACEFUL_RUN_STATUS_PORT, GRACEFUL_WATCHDOG_PORT, PORT.

  --path <path>          what stands before the route, where the address has none; GRACEFUL_PROBES_PREFIX
  --timeout <time>       how long it may take in all, 1s
  --http2                HTTP/2 at once; without it, a server without TLS that speaks nothing else is asked twice
  --verbose, -v          shows the answer

Times carry their unit: 30s, 500ms, 2m. No certificate is verified, as by a kubelet.

Exit code: 0 healthy (200 to 399), 1 not, or no whole answer in time, 64 a wrong option or address.`

/** Bounds of the time, in milliseconds. */
const bounds = { least: 1, most: 3_600_000 } as const

/** The probes of a service, as they are typed: one of the three, a check of it, and a query. */
const routes = /^\/?((?:livez|readyz|startupz)(?:\/[^/?#]+)?)(\?[^#]*)?$/
/** Where an address has the route already. */
const hasRoute = /(?:^|\/)(?:livez|readyz|startupz)(?:\/[^/]+)?$/

/** What an address is made of, where none is given: variables of the service, the first that is set. */
const sources: ReadonlyArray<{ variable: string, host?: string }> = [
  { variable: 'GRACEFUL_RUN_STATUS_SOCKET' },
  { variable: 'GRACEFUL_RUN_STATUS_PORT', host: 'GRACEFUL_RUN_STATUS_HOST' },
  { variable: 'GRACEFUL_WATCHDOG_PORT', host: 'GRACEFUL_WATCHDOG_HOST' },
  { variable: 'PORT' }
]

/** What stands before the routes, for whoever runs beside the service: its own prefix. */
const prefixVariable = 'GRACEFUL_PROBES_PREFIX'

/** What is asked, and where. */
interface Asked {
  /** `readyz`, or `readyz/database`. */
  route: string
  target: Target
}

interface Settings extends Asked { verbose: boolean, http2: boolean, timeout: number }

/** `fastify-graceful probe`. */
export const probe: Command = {
  help: () => help,
  async act (args) {
    const settings = read(args, process.env)
    if (settings === undefined) return 'help'
    // In a pod it is the kubelet that runs it, which goes by endpoints and is nobody's front end.
    const userAgent = process.env['KUBERNETES_SERVICE_HOST'] ? 'kube-probe/exec' : 'fastify-graceful-probe'
    const begun = performance.now()
    const outcome = await within(ask({ ...settings, userAgent }), settings.timeout)
    if (settings.verbose) await show(settings, outcome, performance.now() - begun)
    // A connection that still waits keeps nobody.
    process.exit(typeof outcome === 'object' && outcome.status >= 200 && outcome.status < 400 ? 0 : 1)
  }
}

/** Runs a probe, without what the other commands need. */
export async function start ([, ...args]: string[]): Promise<void> {
  try {
    if (await probe.act(args) === 'help') process.stdout.write(`${probe.help()}\n`)
  } catch (error) {
    const { message, stack } = error as Error
    const isUsage = error instanceof UsageError
    complain(isUsage ? `fastify-graceful: ${message}` : String(stack), isUsage, 'probe')
  }
}

/** The answer, or why there is none. */
function within (answer: Promise<Reply>, timeout: number): Promise<Reply | string> {
  return new Promise((resolve) => {
    setTimeout(() => resolve(`no whole answer within ${timeout} ms`), timeout)
    answer.then(resolve, (error: unknown) => resolve(whyUnreached(error)))
  })
}

/** Settles when it is written. */
async function show ({ route, target }: Settings, outcome: Reply | string, time: number): Promise<void> {
  const { status, location, body } = typeof outcome === 'object' ? outcome : { status: outcome, body: '' }
  const where = location === undefined ? '' : ` to ${location}`
  const lines = [`${route} at ${target.name}: ${status}${where}, ${Math.round(time)} ms`, ...body.trimEnd().split('\n')]
  const text = lines.filter((line) => line !== '').map((line) => `${printable(line.trimEnd())}\n`).join('')
  // Whoever reads no more is no error.
  await new Promise<void>((resolve) => {
    process.stdout.once('error', () => resolve())
    process.stdout.write(text, () => resolve())
  })
}

/** Undefined where only help is wanted. */
function read (args: string[], env: NodeJS.ProcessEnv): Settings | undefined {
  const { values: { help: wantsHelp, path, verbose = false, http2 = false, timeout }, positionals } = parse(args)
  if (wantsHelp === true) return undefined
  const time = parseTime(timeout)
  if (time === undefined || time < bounds.least || time > bounds.most) {
    throw wrong(`option '--timeout' must be ${aTime}, from 1ms to 1h, got '${timeout}'`)
  }
  const { route, target } = readPlace(positionals, path, env)
  const query = target.path.includes('?') ? '&verbose' : '?verbose'
  return { route, target: verbose ? { ...target, path: target.path + query } : target, verbose, http2, timeout: time }
}

function parse (args: string[]): {
  values: { help?: boolean, path?: string, verbose?: boolean, http2?: boolean, timeout: string },
  positionals: string[]
} {
  try {
    return parseArgs({
      args,
      allowPositionals: true,
      options: {
        path: { type: 'string' },
        timeout: { type: 'string', default: '1s' },
        http2: { type: 'boolean' },
        verbose: { type: 'boolean', short: 'v' },
        help: { type: 'boolean', short: 'h' }
      }
    })
  } catch (error) {
    throw wrong(typed((error as Error).message))
  }
}

/**
 * Reads which probe is asked, and where: what was typed, or where nothing was, the variables of the service.
 *
 * @param path the path before the route; undefined where none was typed
 * @throws {UsageError}
 */
export function readPlace (
  [what, address, ...more]: string[],
  path: string | undefined,
  env: NodeJS.ProcessEnv
): Asked {
  const [, route, query = ''] = routes.exec(what ?? '') ?? []
  if (route === undefined) {
    throw wrong(`expected livez, readyz or startupz, or one check of it (readyz/database), got ${shown(what)}`)
  }
  if (more.length > 0) throw wrong(`expected one address, got ${more.length + 1}`)
  if (path !== undefined && !/^(?:\/[^\s?#]*)?$/.test(path)) {
    throw wrong(`expected a path that begins with / behind --path, got ${shown(path)}`)
  }
  const { given, isOurs } = address === undefined ? fromEnvironment(env) : { given: address, isOurs: isPort(address) }
  const base = path ?? (isOurs ? readVariable(env, prefixVariable) ?? '' : undefined)
  const complete = (before: string): string => {
    const whole = before.replace(/\/+$/, '')
    if (whole !== '' && path !== undefined) throw wrong('expected the path behind --path or in the address, got both')
    if (hasRoute.test(whole)) return whole
    return `${whole}${(base ?? '').replace(/\/+$/, '')}/${route.split('/').map(encoded).join('/')}`
  }
  // A path of the file system is no URL.
  const target = readAddress(given.startsWith('/') ? `unix:${given}` : given, { command: 'probe', complete })
  const separator = target.path.includes('?') ? '&' : '?'
  return { route, target: { ...target, path: target.path + query.replace('?', separator) } }
}

/** What is typed may be encoded already. */
function encoded (name: string): string {
  return /%[\da-f]{2}/i.test(name) ? name : encodeURIComponent(name)
}

const isPort = (address: string): boolean => /^:?\d+$/.test(address)

function fromEnvironment (env: NodeJS.ProcessEnv): { given: string, isOurs: boolean } {
  for (const { variable, host: hostVariable } of sources) {
    const value = readVariable(env, variable)?.trim() ?? ''
    // 0 is a port that the system chooses, which nobody knows here.
    if (value === '' || value === '0') continue
    // The supervisor's own routes have no prefix.
    const isOurs = !variable.startsWith('GRACEFUL_RUN')
    if (value.startsWith('/')) return { given: `unix:${value}`, isOurs }
    if (variable.endsWith('_SOCKET') || !/^\d{1,5}$/.test(value) || Number(value) > 65_535) {
      throw wrong(`expected ${variable.endsWith('_SOCKET') ? 'an absolute path' : 'a port'} in ${variable}, `
        + `got ${shown(value)}`)
    }
    const host = (hostVariable === undefined ? undefined : readVariable(env, hostVariable)) ?? ''
    return { given: `${reachable(host)}:${value}`, isOurs }
  }
  const names = sources.map(({ variable }) => variable)
  throw wrong(`expected an address (a URL, host:port, a port, unix:/path/of/socket), or one of the variables `
    + `${names.join(', ')}, got none`)
}

/** All addresses of a machine are no address to connect to. */
function reachable (host: string): string {
  if (['', '::', '0.0.0.0'].includes(host)) return 'localhost'
  return host.includes(':') ? `[${host}]` : host
}

function shown (text: string | undefined): string {
  if (text === undefined) return 'nothing'
  // A broken address may hold a password.
  return text.includes('@') ? 'something with an @' : `'${text.length > 80 ? `${text.slice(0, 77)}...` : text}'`
}

const wrong = (message: string): UsageError => new UsageError(`probe: ${message}`)
