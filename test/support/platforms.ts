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
      + 'internal extension, and SIGTERM only beside an external one']
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
      + 'the new deployment; 3 s, says an answer of their staff']
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
    ['', '8 s: a trial that lost 117 of 1114 requests without them lost none of 1548']
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
      'as Cloud Run, on which they are']
  ],
  'cloud-run': [
    ['https://cloud.google.com/blog/topics/developers-practitioners/graceful-shutdowns-cloud-run-deep-dive',
      'SIGTERM, 10 s; mostly to instances that get no traffic'],
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
      'out of the balancers 15 s before SIGTERM, 120 s, at most 600']
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

const introduction = `Who ends a service, and how long it has then, differs from place to place. The plugin looks at the
variables of the environment where it runs, takes its defaults from the table below, and says so in one line at boot
(\`graceful.platform\`, level \`info\`): what was recognised, what is assumed, and what to set where that is wrong.

- The option \`platform\`, or the variable \`GRACEFUL_PLATFORM\`, names the place by hand: \`'auto'\` (the default), a name
  from the table, or \`false\` for none. A container runtime shows no variable, so Docker is named.
- **Options and variables win.** \`gracePeriod\`, \`TERMINATION_GRACE_PERIOD_SECONDS\`, \`announce.*\` and \`signals\` are kept
  to, whatever the table says. Where times that were given do not fit into the time that a platform gives by default,
  nothing is refused: ${unknownGracePeriod / 1000} s are planned, and the line is a warning.
- More than ${unknownGracePeriod / 1000} s is taken from the table only where the platform is named, or shows it in a
  variable: a default may have been lowered. Less than 1 s is planned as 1 s.
- Where nothing is recognised, ${unknownGracePeriod / 1000} s are assumed; in production (\`NODE_ENV\`) the line says so.
- **Two at once.** The first one in the table counts, as a platform of containers is more than what it runs on: Azure's
  and Render's containers show Kubernetes, too, and Knative on Kubernetes shows what Cloud Run does, and is
  Kubernetes. Process managers (Platformatic, pm2, systemd) do not hide the platform around them: it says what is in
  front, and the shortest time of all counts, as pm2 in a task of Amazon ECS kills after its own \`kill_timeout\`.
- A variable that is blank, or of another form than the platform gives it, shows nothing.
- A SIGKILL that comes earlier than planned cannot be logged. The next start says it, where something can be left:
  [\`GRACEFUL_STATE_DIRECTORY\`](../reference/environment.md).
- The line is said once per process, by the first application that listens: tests that only \`inject\` never say it. The
  [supervisor](supervisor.md) says it for its children, which get its view as \`GRACEFUL_PLATFORM\`. Worker threads say
  nothing, but under Platformatic's runtime each has a line.`

const howFront = {
  before: 'stops before the signal',
  at: 'stops from the signal on',
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
    '| `platform` | what | known by | signal | SIGKILL after | set by | what is in front; phase 1 at least | notes |',
    '|---|---|---|---|---|---|---|---|',
    ...rows,
    '',
    '`phase 1 at least` is the default of `announce.min`, and after the comma, where it is another, of '
      + '`announce.blind`; both are cut to what the grace period leaves.\n',
    '## Where this was read\n',
    `All of it on ${readOn}. What no source of the platform's own was found for is named, and assumed with care.\n`,
    '| platform | source | not found |',
    '|---|---|---|',
    ...read,
    ''
  ].join('\n')
}

const signsOf = ({ name, env }: Platform): string => Object.keys(env).map((variable) => `\`${variable}\``).join(', ')
  || (name === 'platformatic' ? '`globalThis.platformatic`' : 'being named')

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
