import { readVariable } from '../../util/given.ts'
import { readAddress } from '../target.ts'
import type { Target } from '../target.ts'
import { UsageError } from '../usage.ts'

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

const wrong = (message: string): UsageError => new UsageError(`probe: ${message}`)

/** What is asked, and where. */
export interface Asked {
  /** `readyz`, or `readyz/database`. */
  route: string
  target: Target
}

/**
 * Reads which probe is asked, and where: what was typed, or where nothing was, the variables of the service.
 *
 * @param path the path before the route; undefined where none was typed
 * @throws {UsageError}
 */
export function readPlace (
  [probe, address, ...more]: string[],
  path: string | undefined,
  env: NodeJS.ProcessEnv
): Asked {
  const [, route, query = ''] = routes.exec(probe ?? '') ?? []
  if (route === undefined) {
    throw wrong(`expected livez, readyz or startupz, or one check of it (readyz/database), got ${shown(probe)}`)
  }
  if (more.length > 0) throw wrong(`expected one address, got ${more.length + 1}`)
  if (path !== undefined && !/^(?:\/[^\s?#]*)?$/.test(path)) {
    throw wrong(`expected a path that begins with / behind --path, got ${shown(path)}`)
  }
  const { given, isOurs } = address === undefined ? fromEnvironment(env) : { given: address, isOurs: isPort(address) }
  const base = path ?? (isOurs ? readVariable(env, prefixVariable) ?? '' : undefined)
  const complete = (before: string): string => {
    const start = before.replace(/\/+$/, '')
    if (start !== '' && path !== undefined) throw wrong('expected the path behind --path or in the address, got both')
    if (hasRoute.test(start)) return start
    return `${start}${(base ?? '').replace(/\/+$/, '')}/${route.split('/').map(encoded).join('/')}`
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
