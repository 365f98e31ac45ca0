import { wrong } from '../option.ts'
import type { Typed } from '../option.ts'
import { kubernetesOptions } from './options.ts'

/** What a drill does: an update on this machine, one in a cluster, or a load alone. */
export type Mode = 'here' | 'kubernetes' | 'load'

const ofLoad = ['load', 'duration', 'mark']
const own = kubernetesOptions.map(({ flag }) => flag)
/** What names requests and how they are sent, and what becomes of the result. */
const common = [
  'path', 'openapi', 'websocket', 'events', 'header', 'data', 'status', 'weight', 'rate', 'connections', 'keep-alive',
  'clients', 'timeout', 'boot', 'ready-path', 'max-lost', 'json', 'junit', 'html'
]

const options: Readonly<Record<Mode, (flag: string) => boolean>> = {
  here: (flag) => !own.includes(flag),
  kubernetes: (flag) => common.includes(flag) || ['updates', 'warm-up', 'cool-down'].includes(flag)
    || (own.includes(flag) && !ofLoad.includes(flag)),
  load: (flag) => common.includes(flag) || ofLoad.includes(flag)
}

/** What was asked for. @throws UsageError where options do not go together */
export function modeOf ({ given, file, rest }: Typed): Mode {
  const mode = given.has('load') ? 'load'
    : given.has('kubernetes') || given.has('print-rbac') ? 'kubernetes' : 'here'
  const [stranger] = given.inOrder.find(([flag]) => !options[mode](flag)) ?? []
  if (stranger !== undefined) {
    const owner = ofLoad.includes(stranger) ? 'load' : 'kubernetes'
    throw wrong(mode === 'here' ? `option '--${stranger}' needs '--${owner}'`
      : `option '--${stranger}' goes without '--${mode}'`)
  }
  const service = file ?? rest[0]
  if (mode !== 'here' && service !== undefined) {
    throw wrong(`'--${mode}' takes no service of this machine, got '${service}'`)
  }
  return mode
}
