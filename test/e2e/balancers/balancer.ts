import type { LossKind } from '../../../lib/drill/losses.ts'

/** A replica, as a balancer's configuration names it. */
export interface Server {
  port: number
  /** Where HAProxy's agent of it listens. */
  agentPort: number
  /** The update has taken it out. */
  isOut: boolean
}

/** What a configuration is written from. */
export interface Context {
  /** A folder of the balancer's own, in which its files are. */
  folder: string
  port: number
  /** Where it is told of changes, if it has such a port. */
  adminPort: number
  servers: readonly Server[]
}

/** What the service is given besides the plugin. */
interface ServiceSetup {
  /** Options of the plugin. @default none */
  options?: object
  /** `h2c` is HTTP/2 without TLS; `tls` has both. @default 'http' */
  protocol?: 'http' | 'h2c' | 'tls'
  /** `agent`: `examples/haproxy-agent.js`; `route`: a health route of the application's own, `/up`. */
  brings?: 'agent' | 'route'
}

/** One way to set up a balancer, and the service behind it. */
export interface Setup extends ServiceSetup {
  name: string
  /** Its configuration: texts by the names of files, the telling ones first. */
  files: (context: Context) => Record<string, string>
  /** How many of the files are shown. @default 1 */
  shown?: number
  /** More arguments of its command. */
  args?: readonly string[]
  /** Each server is taken out by the update, so many ms before SIGTERM. */
  takenOut?: number
  /** The plugin sees that somebody in front asks: the route that is asked. */
  asks?: string
  /** Losses of the balancer's own, which no server can prevent: such that no replica has seen, soon after a change. */
  ownLoss?: { kinds: readonly LossKind[], within: number, why: string }
  /** Why requests are lost, or why none is. */
  why: string
}

/** A balancer of Debian's packages, or one that is made of a package of npm. It tries nothing twice. */
export interface Balancer {
  name: string
  /** The program, and Debian's package that brings it. */
  program: string
  package?: string
  /** Arguments with which it says its version, and what is read of that. */
  version: readonly string[]
  command: (context: Context) => readonly string[]
  /** Variables of its own. */
  env?: (context: Context) => Record<string, string>
  /** Makes it read its files again, and resolves when it goes by them. */
  reload?: (running: RunningBalancer) => Promise<void>
  setups: readonly Setup[]
  /** Where it keeps idle connections to servers. */
  pool?: Pool
}

/** For how long a balancer keeps a connection to a server that nothing is sent on. */
interface Pool {
  /** What sets it, and to what it is set by default. */
  setting: string
  byDefault: string
  /** It is kept for longer than by the service, or for a second. */
  longer: Pick<Setup, 'files' | 'args'>
  shorter: Pick<Setup, 'files' | 'args'>
  /** What is to be known of it. */
  note: string
}

/** A balancer that was started. */
export interface RunningBalancer {
  context: Context
  signal: (name: NodeJS.Signals) => void
  /** Status and body of a GET on a new connection to the balancer; 0 where there is no answer. */
  get: (path: string) => Promise<{ status: number, text: string }>
}

/** The lines of all servers. */
export const each = (servers: readonly Server[], line: (server: Server, index: number) => string): string =>
  servers.map(line).join('\n')
