// Writes docs/guides/platforms.md from lib/platform/detect.ts, and from what was read where, which stands here.
//   npm run platforms
import { writeFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { platforms } from '../../lib/platform/detect.ts'
import type { Platform } from '../../lib/platform/detect.ts'
import { floorsOf, unknownGracePeriod } from '../../lib/platform/surroundings.ts'

/** When all of it was read. */
const readOn = '2026-11-30'

/** What was read of each platform, where, and what it says; nothing where nothing was found. No address: no page. */
export const sources: Readonly<Record<string, ReadonlyArray<readonly [address: string, says: string]>>> = {
  platformatic: [['recipes.md#platformatic-watt', 'tried with Watt 2 and 3']],
  lambda: [
    ['https://github.com/aws-samples/graceful-shutdown-with-aws-lambda', '300 ms for the runtime, 500 ms with an '
      + 'internal extension, and SIGTERM only with an external one']
  ],
  'azure-container-apps': [
    ['https://learn.microsoft.com/en-ie/dotnet/api/azure.resourcemanager.appcontainers.models.containerapptemplate.'
      + 'terminationgraceperiodseconds?view=azure-dotnet-preview', '30 s'],
    ['https://learn.microsoft.com/azure/container-apps/application-lifecycle-management', 'SIGTERM, then SIGKILL'],
    ['https://learn.microsoft.com/ja-jp/azure/container-apps/environment-variables', 'the variables']
  ],
  'azure-app-service': [
    ['https://learn.microsoft.com/ja-jp/Azure/app-service/reference-app-settings', 'the variables'],
    ['https://github.com/MicrosoftDocs/azure-docs/blob/main/articles/app-service/reference-app-settings.md',
      '5 s, at most 120']
  ],
  render: [
    ['https://render.com/articles/how-render-handles-zero-downtime-deploys', 'traffic moves, 60 s later SIGTERM'],
    ['https://render.com/docs/yaml-spec', '30 s, at most 300']
  ],
  railway: [
    ['https://github.com/railwayapp/docs/blob/c2a634f/content/docs/deployments/reference.md', 'SIGTERM when the new '
      + 'deployment is online, 0 s'],
    ['https://github.com/railwayapp/docs/blob/c2a634f/content/docs/variables/reference.md', 'the variables'],
    ['https://station.railway.com/questions/what-is-the-behavior-during-a-new-deploy-84535b6e', 'new requests go to '
      + 'the new deployment; 3 s, according to an answer of their staff']
  ],
  fly: [
    ['https://fly.io/docs/reference/configuration/', 'SIGINT, 5 s, at most 300'],
    ['https://github.com/superfly/docs/blob/5c22c8c/machines/runtime-environment.html.md', 'the variables']
  ],
  heroku: [
    ['https://devcenter.heroku.com/articles/dyno-shutdown-behavior', 'SIGTERM to all processes of the dyno, 30 s'],
    ['https://devcenter.heroku.com/articles/dyno-startup-behavior', 'the variable']
  ],
  koyeb: [],
  ecs: [
    ['https://docs.aws.amazon.com/sdk-for-kotlin/api/latest/ecs/aws.sdk.kotlin.services.ecs.model/'
      + '-container-definition/stop-timeout.html', '30 s, at most 120 on Fargate'],
    ['https://docs.aws.amazon.com/en_us/AmazonECS/latest/developerguide/task-metadata-endpoint-v4.html',
      'the variable'],
    ['https://docs.aws.amazon.com/AmazonECS/latest/bestpracticesguide/load-balancer-connection-draining.html',
      'SIGTERM, then SIGKILL; the balancer'],
    ['', '8 s: without them a trial lost 117 of 1114 requests, with them none of 1548']
  ],
  'app-engine': [
    ['https://cloud.google.com/appengine/docs/standard/go111/runtime', 'the variables']
  ],
  kubernetes: [
    ['https://kubernetes.io/docs/concepts/workloads/pods/pod-termination/',
      'SIGTERM after the preStop hook, 30 s']
  ],
  'cloud-functions': [
    ['https://cloud.google.com/blog/topics/developers-practitioners/graceful-shutdowns-cloud-run-deep-dive',
      'they run on Cloud Run']
  ],
  'cloud-run': [
    ['https://cloud.google.com/blog/topics/developers-practitioners/graceful-shutdowns-cloud-run-deep-dive',
      'SIGTERM, 10 s; mostly to instances without traffic'],
    ['https://docs.cloud.google.com/run/docs/container-contract?hl=zh-cn', 'the variables']
  ],
  nomad: [
    ['https://github.com/hashicorp/nomad/blob/059675a/website/content/docs/job-specification/task.mdx',
      'SIGINT, 5 s, `shutdown_delay`'],
    ['https://developer.hashicorp.com/nomad/docs/v2.0.x/job-declare/exit-signals', 'SIGTERM with the driver `docker`'],
    ['https://github.com/hashicorp/nomad/blob/04265bd/website/content/partials/envvars.mdx', 'the variables']
  ],
  pm2: [
    ['https://pm2.keymetrics.io/docs/usage/signals-clean-restart/', 'SIGINT, `kill_timeout`'],
    ['https://github.com/Unitech/pm2/blob/31adee8/constants.js', '1600 ms'],
    ['https://github.com/Unitech/pm2/blob/31adee8/lib/Common.js', '`pm_id` in the environment']
  ],
  systemd: [
    ['https://github.com/systemd/systemd/blob/0307f79/man/systemd.kill.xml', 'SIGTERM, SIGKILL after `TimeoutStopSec`'],
    ['https://github.com/systemd/systemd/blob/0031430/man/systemd-system.conf.xml', '90 s'],
    ['', 'the variables: systemd.exec(5) of 252']
  ],
  digitalocean: [
    ['https://docs.digitalocean.com/products/app-platform/how-to/configure-termination',
      'removed from the load balancers 15 s before SIGTERM, 120 s, at most 600']
  ],
  northflank: [],
  swarm: [
    ['https://github.com/docker/docs/blob/008eaf6/content/reference/compose-file/services.md', '`stop_grace_period`, 10 s']
  ],
  docker: [
    ['https://docs.docker.com/engine/reference/commandline/stop/', 'SIGTERM, then SIGKILL'],
    ['https://manpages.ubuntu.com/manpages/kinetic/man1/docker-container-stop.1.html', '10 s'],
    ['https://github.com/docker/docs/blob/008eaf6/content/reference/compose-file/services.md', 'Compose: 10 s']
  ]
}

const introduction = `How a service is ended, and how much time it then has, depends on where it runs. The plugin
detects the platform by environment variables, takes its defaults from the table below, and logs one line at boot
(\`graceful.platform\`, level \`info\`): what it detected, what it assumes, and what to set if that is wrong.

- **Check that line.** If the platform was not detected, set the option \`platform\` or the variable
  \`GRACEFUL_PLATFORM\` to a name from the table. Docker always has to be named, because a container shows no variable.
  \`'auto'\` is the default; \`false\` means no platform.
- **Options and variables override the table:** \`gracePeriod\`, \`TERMINATION_GRACE_PERIOD_SECONDS\`, \`announce.*\`
  and \`signals\`. If the times you set do not fit into the time that the platform gives by default, registration does
  not fail: the plugin plans ${unknownGracePeriod / 1000} s, and the line is a warning.
- **Long grace periods.** More than ${unknownGracePeriod / 1000} s is assumed only if you named the platform, or if a
  variable shows the time, because a default may have been lowered. The shortest time that is planned is 1 s.
- **No platform detected.** ${unknownGracePeriod / 1000} s are assumed. The line then appears only in production
  (\`NODE_ENV\`).
- **Several platforms detected.** The first one in the table counts. Azure's and Render's containers also show the
  variable of Kubernetes, for example, and Knative on Kubernetes also shows those of Cloud Run and counts as Kubernetes.
  Process managers (Platformatic, pm2, systemd) are combined with the platform that they run on: the load balancer is
  that of the platform, and the shortest grace period counts. pm2 in a task of Amazon ECS, for example, kills after its
  own \`kill_timeout\`.
- **Blank or malformed variables** are ignored.
- **An early SIGKILL** cannot be logged by the process itself. The next start logs it if
  [\`GRACEFUL_STATE_DIRECTORY\`](../reference/environment.md) is set.
- **Once per process.** The first application that listens logs the line; tests that only \`inject\` never do. A
  [supervisor](supervisor.md) logs it for its children, and passes them its result as \`GRACEFUL_PLATFORM\`. Worker
  threads log nothing, except under Platformatic's runtime, where each logs its own line.`

const howFront = {
  before: 'stops sending before the signal',
  at: 'stops sending from the signal on',
  unknown: 'not documented',
  none: 'none of its own'
} as const

/** The page as the table has it. */
export function platformsPage (): string {
  const rows = platforms.map((platform) => `| ${[
    `\`${platform.name}\``, platform.title, signsOf(platform), platform.signal, `${platform.grace} s`,
    platform.set + (platform.shown ? `; read from \`${platform.shown.variable}\`` : ''), frontOf(platform),
    [platform.note ?? [], platform.says ?? []].flat().join('; ')
  ].join(' | ')} |`)
  const read = platforms.map((platform) => `| ${platform.title} | ${whereRead(platform)} | ${platform.unread ?? ''} |`)
  return [
    '# Platforms\n',
    `${introduction.replaceAll(/\n(?!\n|-)\s*/g, ' ')}\n`,
    'The tables are written by `npm run platforms` from `lib/platform/detect.ts`.\n',
    '| `platform` | what | known by | signal | SIGKILL after | set by | load balancer; shortest phase 1 | notes |',
    '|---|---|---|---|---|---|---|---|',
    ...rows,
    '',
    'The times of phase 1 are the default of `announce.min` and, after the comma, that of `announce.blind` if it '
      + 'differs. Both are limited to what the grace period leaves.\n',
    '## Sources\n',
    `All of them were read on ${readOn}. The last column names what no source of the platform itself was found for; `
      + 'those values are conservative assumptions.\n',
    '| platform | source | not found |',
    '|---|---|---|',
    ...read,
    ''
  ].join('\n')
}

const signsOf = ({ name, env }: Platform): string => Object.keys(env).map((variable) => `\`${variable}\``).join(', ')
  || (name === 'platformatic' ? '`globalThis.platformatic`' : 'must be named')

function frontOf (platform: Platform): string {
  const { min, blind } = floorsOf(platform)
  if (platform.late === undefined) return howFront[platform.front]
  return `${howFront[platform.front]}; ${min / 1000} s${blind === min ? '' : `, ${blind / 1000} s`}`
}

const whereRead = ({ name }: Platform): string => (sources[name] ?? [])
  .map(([address, says]) => address === '' ? says : `[${says}](${address})`).join('; ') || '-'

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  writeFileSync(new URL('../../docs/guides/platforms.md', import.meta.url), platformsPage())
}
