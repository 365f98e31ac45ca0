import { defaults } from '../../../drill/index.ts'
import { typedTime } from '../../usage.ts'
import { wrong } from '../option.ts'
import type { DrillOption, Typed } from '../option.ts'

/** An update in a cluster, and the load that a Job puts on it there. */
export const kubernetesOptions: readonly DrillOption[] = [
  {
    flag: 'kubernetes', value: '<deployment/name>',
    text: "restarts this with your kubectl, and loads its Service from inside the cluster; see 'In a cluster'"
  },
  { flag: 'context', value: '<name>', text: 'the context of kubectl', default: 'the current one' },
  { flag: 'namespace', short: 'n', value: '<name>', text: 'the namespace; also -n', default: "the context's" },
  { flag: 'service', value: '<name[:port]>', text: 'the Service to load', default: 'the one that selects its pods' },
  { flag: 'container', value: '<name>', text: 'the container of the service', default: 'the first one' },
  { flag: 'within', value: '<time>', text: 'how long one update may take', default: typedTime(defaults.within) },
  { flag: 'kubectl', value: '<path>', text: 'which kubectl', default: defaults.kubectl },
  { flag: 'node', value: '<path>', text: 'which node of the image', default: "its command's, else node" },
  { flag: 'yes', text: 'also where the cluster looks like production' },
  { flag: 'print-rbac', text: 'prints a Role with the rights that it needs, and ends' },
  { flag: 'load', value: '<url>', text: 'loads this address, and updates nothing: what the Job does in the cluster' },
  { flag: 'duration', value: '<time>', text: 'how long that load lasts', default: typedTime(defaults.duration) },
  { flag: 'mark', value: '<text>', text: 'writes its result in lines of JSON with this mark, for who started the Job' }
]

/** What a drill does: an update on this machine, one in a cluster, or a load alone. */
export type Mode = 'here' | 'kubernetes' | 'load'

const ofLoad = ['load', 'duration', 'mark']
const own = kubernetesOptions.map(({ flag }) => flag)
/** What names requests and how they are sent, and what becomes of the result. */
const common = [
  'path', 'openapi', 'websocket', 'events', 'header', 'data', 'status', 'weight', 'rate', 'connections', 'keep-alive',
  'clients', 'timeout', 'boot', 'ready-path', 'max-lost', 'json', 'junit', 'html', 'compare'
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
