import type { DrillOption } from '../option.ts'

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
  { flag: 'within', value: '<time>', text: 'how long one update may take', default: '5m' },
  { flag: 'kubectl', value: '<path>', text: 'which kubectl', default: 'kubectl' },
  { flag: 'node', value: '<path>', text: 'which node of the image', default: "its command's, else node" },
  { flag: 'yes', text: 'also where the cluster looks like production' },
  { flag: 'print-rbac', text: 'prints a Role with the rights that it needs, and ends' },
  { flag: 'load', value: '<url>', text: 'loads this address, and updates nothing: what the Job does in the cluster' },
  { flag: 'duration', value: '<time>', text: 'how long that load lasts', default: '30s' },
  { flag: 'mark', value: '<text>', text: 'writes its result in lines of JSON with this mark, for who started the Job' }
]
