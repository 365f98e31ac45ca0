import { setTimeout } from 'node:timers'
import { parseArgs } from '../../util/node-util.ts'
import type { Command } from '../usage.ts'
import { printable } from '../printable.ts'
import { aTime, parseTime, typed, UsageError } from '../usage.ts'
import { whyUnreached } from '../target.ts'
import { ask } from './ask.ts'
import type { Reply } from './ask.ts'
import { readPlace } from './place.ts'
import type { Asked } from './place.ts'

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
    throw new UsageError(`probe: option '--timeout' must be ${aTime}, from 1ms to 1h, got '${timeout}'`)
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
    throw new UsageError(`probe: ${typed((error as Error).message)}`)
  }
}
