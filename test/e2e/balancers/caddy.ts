import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import type { Balancer, Context, RunningBalancer, Setup } from './balancer.ts'

const text = (lines: readonly string[], scheme = '') =>
  ({ port, adminPort, servers }: Context): Record<string, string> => ({
    Caddyfile: `
{
  admin 127.0.0.1:${adminPort}
  auto_https off
}
http://127.0.0.1:${port} {
  reverse_proxy ${servers.filter(({ isOut }) => !isOut).map((server) => `${scheme}127.0.0.1:${server.port}`).join(' ')} {
${lines.map((line) => `    ${line}\n`).join('')}  }
}
`
  })

async function reload ({ context: { adminPort, folder } }: RunningBalancer): Promise<void> {
  const answer = await fetch(`http://127.0.0.1:${adminPort}/load`, {
    method: 'POST',
    headers: { 'content-type': 'text/caddyfile' },
    body: readFileSync(join(folder, 'Caddyfile'))
  })
  if (!answer.ok) throw new Error(`caddy has refused its configuration: ${await answer.text()}`)
}

const checks = ['health_uri /readyz', 'health_interval 1s', 'health_timeout 5s', 'health_status 200']
const keeping = (time: string): string[] => ['transport http {', `  keepalive ${time}`, '}']
const pool = keeping('60s')
const passive = ['fail_duration 10s', 'max_fails 1', 'unhealthy_status 502 503']
const asked: Pick<Setup, 'name' | 'asks' | 'why'> = {
  name: 'recommended',
  asks: 'GET /readyz',
  why: 'probes each second, takes a server out after the first failure; the service waits for three'
}

const base = {
  program: 'caddy',
  version: ['version'],
  command: ({ folder }: Context) => ['run', '--adapter', 'caddyfile', '--config', join(folder, 'Caddyfile')],
  env: ({ folder }: Context) => ({ HOME: folder, XDG_DATA_HOME: folder, XDG_CONFIG_HOME: folder })
}

export const caddies: readonly Balancer[] = [
  {
    ...base,
    name: 'Caddy, active checks',
    setups: [
      {
        name: 'defaults',
        files: text(['health_uri /readyz']),
        why: 'Caddy probes every 30 s by default. The service waits only for front ends that probe every 10 s or more '
          + 'often, and Caddy notices long after the exit'
      },
      { ...asked, files: text([...checks, ...pool]) },
      {
        ...asked,
        name: 'HTTP/2 without TLS',
        protocol: 'h2c',
        files: text(checks, 'h2c://')
      }
    ],
    pool: {
      setting: '`keepalive` of the `transport`',
      byDefault: '2 min',
      longer: { files: text(pool) },
      shorter: { files: text(keeping('1s')) },
      note: 'must be set. Go repeats a GET that a kept connection has not answered'
    }
  },
  {
    ...base,
    name: 'Caddy, passive checks',
    reload,
    setups: [
      {
        name: 'defaults',
        files: text(passive),
        why: 'Caddy does not probe, and notices when a request fails; the service detects no front end and exits at once'
      },
      {
        name: 'recommended',
        files: text([...passive, ...pool]),
        takenOut: 500,
        options: { announce: { min: 2000 } },
        ownLoss: {
          kinds: ['refused', 'reset-new', 'reset-reused'],
          within: 3000,
          why: 'a reload closes the idle connections of clients, and the listener with the connections in its accept queue; '
            + 'a request may cross that. A fault of the service would show as status 502'
        },
        why: 'removed from the upstreams by a reload first, then SIGTERM; `announce.min` covers the requests on their way'
      }
    ]
  }
]
