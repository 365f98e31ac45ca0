import { join } from 'node:path'
import { each } from './balancer.ts'
import type { Balancer, Context, Server, Setup } from './balancer.ts'

interface Text { mode: 'tcp' | 'http', lines?: readonly string[], server?: (server: Server) => string }

const text = ({ mode, lines = [], server = () => 'check' }: Text) =>
  ({ port, servers }: Context): Record<string, string> => ({
    'haproxy.cfg': `
defaults
  mode ${mode}
  retries 0
  timeout connect 5s
  timeout client 60s
  timeout server 60s
  timeout check 5s
listen service
  bind 127.0.0.1:${port}
  balance roundrobin
${lines.map((line) => `  ${line}\n`).join('')}${
      each(servers, (one, index) => `  server s${index + 1} 127.0.0.1:${one.port} ${server(one)}`)}
`
  })

const asking = (path: string, ...more: string[]): string[] => [`option httpchk GET ${path}`, ...more]
/** Node refuses a request of HTTP/2 that names no host, as `option httpchk GET /readyz` would send. */
const askingWithHost = ['option httpchk', 'http-check send meth GET uri /readyz ver HTTP/1.1 hdr Host service']
const tcpCheck = 'HAProxy only opens a connection every 2 s, which does not ask for readiness. The service detects no front '
  + 'end and exits at once; HAProxy takes it out after three failures'
const told = (fall: number): string => `probes each second, takes a server out after ${fall} failures; the service waits for three`
const eachSecond = (fall: number) => (): string => `check inter 1s fall ${fall} rise 1`
const atReadyz = { asks: 'GET /readyz' }
const external = { probes: { external: { path: '/up', status: 404 } } }
const disabled = asking('/up', 'http-check disable-on-404')

const base = {
  program: 'haproxy',
  version: ['-v'],
  command: ({ folder }: Context) => ['-db', '-f', join(folder, 'haproxy.cfg')]
}

const keeping = (purge: string): Setup['files'] => text({ mode: 'http', server: () => purge })

const withMode = (name: string, mode: Text['mode'], fall: number, more: readonly Setup[] = []): Balancer => ({
  ...base,
  ...mode === 'tcp' ? {} : {
    pool: {
      setting: '`pool-purge-delay` of the `server`',
      byDefault: '5 s',
      longer: { files: keeping('pool-purge-delay 60s') },
      shorter: { files: keeping('pool-purge-delay 200ms') },
      note: 'the default is fine: after each delay HAProxy closes half of its unused connections, 14 times in 72 s (here: '
        + '20 times in 4 s). `pool-max-conn 0` keeps none'
    }
  },
  name,
  setups: [
    { name: 'defaults', files: text({ mode }), why: tcpCheck },
    {
      name: 'recommended',
      ...atReadyz,
      files: text({ mode, lines: asking('/readyz'), server: eachSecond(fall) }),
      why: told(fall)
    },
    ...more
  ]
})

const overHttp2: Setup = {
  name: 'HTTP/2 without TLS',
  ...atReadyz,
  protocol: 'h2c',
  files: text({ mode: 'http', lines: askingWithHost, server: () => `proto h2 ${eachSecond(2)()}` }),
  why: `${told(2)}. \`http-check send … hdr Host\` is needed: Node refuses HTTP/2 without a host. Sessions get a GOAWAY`
}

const overTls: Setup = {
  name: 'HTTP/2 over TLS',
  ...atReadyz,
  protocol: 'tls',
  files: text({
    mode: 'http',
    lines: ['http-reuse always', ...askingWithHost],
    server: () => `ssl verify none alpn h2 check-alpn h2 ${eachSecond(2)()}`
  }),
  why: `${told(2)}. \`check-alpn h2\` is needed: without it the checks fail. \`http-reuse always\` saves handshakes: by `
    + 'default each new client has a connection to the server made for it'
}

export const haproxies: readonly Balancer[] = [
  withMode('HAProxy, TCP', 'tcp', 3),
  withMode('HAProxy, HTTP', 'http', 2, [
    overHttp2,
    overTls
  ]),
  {
    ...base,
    name: 'HAProxy, agent check',
    setups: [
      {
        name: 'defaults',
        brings: 'agent',
        files: text({
          mode: 'http',
          server: ({ agentPort }) => `check agent-check agent-port ${agentPort}`
        }),
        why: 'the agent replies `drain` when HAProxy asks next, after at most 2 s, and holds phase 1 until then'
      },
      {
        name: 'recommended',
        brings: 'agent',
        files: text({
          mode: 'http',
          server: ({ agentPort }) => `check inter 1s rise 1 agent-check agent-port ${agentPort} agent-inter 1s`
        }),
        why: 'the same, HAProxy asks each second'
      }
    ]
  },
  {
    ...base,
    name: 'HAProxy, disable-on-404',
    setups: [
      {
        name: 'defaults',
        ...atReadyz,
        files: text({ mode: 'http', lines: asking('/readyz', 'http-check disable-on-404') }),
        why: '`/readyz` returns 503, which HAProxy counts like any failure: it probes every 2 s, and the server is down after three'
      },
      {
        name: 'recommended',
        asks: 'GET /up',
        options: external,
        files: text({ mode: 'http', lines: disabled, server: eachSecond(2) }),
        why: 'the external route returns 404: no new sessions after the first such response'
      },
      {
        name: 'a route of the application',
        asks: 'GET /up',
        brings: 'route',
        files: text({ mode: 'http', lines: disabled, server: eachSecond(2) }),
        why: 'the route is marked with `probe: true`, and returns 404 when the phase is not `running`'
      }
    ]
  }
]
