// Writes the tables of docs/guides/drill.md from the options of the command and from its fronts.
//   npm run drill:docs
import { readFileSync, writeFileSync } from 'node:fs'
import { optionGroups } from '../../lib/cli/drill/settings.ts'
import { frontPresets } from '../../lib/drill/fronts.ts'
import type { FrontPreset } from '../../lib/drill/fronts.ts'

const chart = '../../charts/graceful-lib/templates/_presets.tpl'

/** Where the figures of each front were read, and what was assumed. */
export const sources: Readonly<Record<string, string>> = {
  'kube-proxy': `[measured](${chart})`,
  'ingress-nginx': `[a sync every 3.3 s, and the one after it](${chart}); [connections are kept for 60 s](balancers.md)`,
  alb: `[deregistration and checks](${chart}); [time limit and successes of a check](https://github.com/kubernetes-sigs/`
    + 'aws-load-balancer-controller/blob/main/docs/guide/ingress/annotations.md); '
    + '[connections are kept for 60 s](https://github.com/nodejs/node/issues/26165)',
  nlb: `[deregistration and checks](${chart}); [time limit and successes of a check](https://github.com/kubernetes-sigs/`
    + 'aws-load-balancer-controller/blob/main/docs/guide/service/annotations.md)',
  'gke-neg': `[checks](${chart}); [connections are kept for 600 s](https://docs.cloud.google.com/load-balancing/docs/`
    + 'https/request-distribution); assumed: the time limit and the successes of a check',
  'gke-l4': `[6 to 12 s, and how a node forwards](${chart}); the check is the readiness probe of the chart`,
  envoy: `[xDS](${chart}); [connections are kept for an hour](https://www.envoyproxy.io/docs/envoy/latest/faq/`
    + 'configuration/timeouts)',
  'haproxy-check': '[recommended settings](balancers.md#recommended-settings); [connections are kept for 5 s](balancers.md)',
  'cloud-run': '[it stops before the signal](platforms.md); assumed: connections are kept as by Google\'s load balancers',
  ecs: '[8 s at most](platforms.md); [connections are kept for 60 s](https://github.com/nodejs/node/issues/26165)',
  never: 'as nginx, which notices a shutdown when a request fails ([behind real balancers](balancers.md))'
}

const seconds = (time: number): string => `${time / 1000} s`

function lagOf ({ lag, isPassive }: FrontPreset): string {
  if (lag === undefined) return isPassive === true ? 'never: it continues until it is refused' : 'not told: it probes'
  const [least, most] = lag
  if (most < 0) return 'before the signal'
  return least === most ? seconds(most) : `${least / 1000} to ${seconds(most)}`
}

function checksOf ({ checks }: FrontPreset): string {
  if (checks === undefined) return '-'
  const { interval, failures, timeout, isLocal } = checks
  const effect = isLocal === true ? '; then new connections are refused' : ''
  return `every ${seconds(interval)}, ${failures} failures, ${seconds(timeout)} for a response${effect}`
}

function frontRows (): string[] {
  return [
    '| `--front` | what it stands for | no new connections after | its own health checks | connections | grace | source |',
    '|---|---|---|---|---|---|---|',
    ...Object.entries(frontPresets).map(([name, front]) => `| ${[
      `\`${name}\``, front.title, lagOf(front), checksOf(front),
      front.pool === undefined ? 'one per client connection' : `kept for ${seconds(front.pool)}`,
      seconds(front.grace), sources[name]
    ].join(' | ')} |`)
  ]
}

function optionRows (): string[] {
  return optionGroups.flatMap(([title, options]) => [
    ...title === optionGroups[0]?.[0] ? [] : [''],
    `### ${title}`, '', '| option | default | meaning |', '|---|---|---|',
    ...options.map(({ flag, value, text, default: otherwise }) =>
      `| \`--${flag}${value === undefined ? '' : ` ${value.replaceAll('|', '\\|')}`}\` | ${otherwise ?? ''} | ${text} |`)
  ])
}

const address = new URL('../../docs/guides/drill.md', import.meta.url)

function put (text: string, name: string, rows: string[]): string {
  return text.replace(
    new RegExp(`(<!-- ${name}: written by npm run drill:docs -->\n\n)[\\s\\S]*?(\n\n<!-- end -->)`),
    (_all, begin: string, end: string) => begin + rows.join('\n') + end
  )
}

/** The page with both tables as they have to be. */
export function drillPage (page = readFileSync(address, 'utf8')): string {
  return put(put(page, 'options', optionRows()), 'fronts', frontRows())
}

if (process.argv[1] === new URL(import.meta.url).pathname) writeFileSync(address, drillPage())
