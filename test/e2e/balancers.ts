import { execFileSync, spawn } from 'node:child_process'
import type { ChildProcess } from 'node:child_process'
import { accessSync, constants, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { once } from 'node:events'
import { connect } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { claimPort } from '../../lib/drill/ports.ts'
import { endWithUs } from '../../lib/drill/replicas.ts'
import { prefer } from './replicas.ts'

/** A balancer that checks `/readyz` of its servers itself, each second, and tries nothing twice. */
export interface BalancerKind {
  name: string
  /** Debian's package, and the program that it brings. */
  package: string
  program: string
  /** Command-line arguments; `folder` is one of its own, in which `files` are. */
  command: (folder: string, port: number) => string[]
  files: (folder: string, port: number, servers: readonly number[]) => Record<string, string>
}

const haproxy = (fall: number): BalancerKind => ({
  name: `HAProxy, out after ${fall} failures`,
  package: 'haproxy',
  program: 'haproxy',
  command: (folder) => ['-db', '-f', join(folder, 'haproxy.cfg')],
  files: (_folder, port, servers) => ({
    'haproxy.cfg': `
defaults
  mode http
  retries 0
  timeout connect 5s
  timeout client 60s
  timeout server 60s
  timeout check 5s
listen service
  bind 127.0.0.1:${port}
  balance roundrobin
  option httpchk GET /readyz
  http-check expect status 200
  default-server check inter 1s fall ${fall} rise 1
${servers.map((server, index) => `  server s${index} 127.0.0.1:${server}`).join('\n')}
`
  })
})

/** In the same order as in the documentation. */
export const kinds: readonly BalancerKind[] = [
  haproxy(2),
  haproxy(3),
  {
    name: 'Caddy',
    package: 'caddy',
    program: 'caddy',
    command: (folder) => ['run', '--adapter', 'caddyfile', '--config', join(folder, 'Caddyfile')],
    files: (_folder, port, servers) => ({
      Caddyfile: `
{
  admin off
  auto_https off
}
http://127.0.0.1:${port} {
  reverse_proxy ${servers.map((server) => `127.0.0.1:${server}`).join(' ')} {
    health_uri /readyz
    health_interval 1s
    health_timeout 5s
    health_status 200
  }
}
`
    })
  },
  {
    name: 'Apache with mod_proxy_hcheck',
    package: 'apache2-bin',
    program: 'apache2',
    command: (folder) => ['-X', '-d', folder, '-f', join(folder, 'httpd.conf')],
    files: (folder, port, servers) => ({
      'httpd.conf': `
ServerName 127.0.0.1
Listen 127.0.0.1:${port}
PidFile ${folder}/pid
DefaultRuntimeDir ${folder}
Mutex file:${folder} default
ErrorLog ${folder}/error.log
${[
  'mpm_event', 'authz_core', 'proxy', 'proxy_http', 'slotmem_shm', 'proxy_balancer', 'lbmethod_byrequests',
  'proxy_hcheck'
].map((name) => `LoadModule ${name}_module /usr/lib/apache2/modules/mod_${name}.so`).join('\n')}
ProxyHCExpr ready {%{REQUEST_STATUS} =~ /^2/}
<Proxy "balancer://service">
${servers.map((server) => `  BalancerMember "http://127.0.0.1:${server}" hcmethod=GET hcuri=/readyz`
  + ' hcinterval=1 hcfails=2 hcpasses=1 hcexpr=ready').join('\n')}
  ProxySet lbmethod=byrequests maxattempts=1
</Proxy>
ProxyPass "/" "balancer://service/"
`
    })
  },
  {
    name: 'Varnish',
    package: 'varnish',
    program: 'varnishd',
    command: (folder, port) => [
      '-F', '-j', 'none', '-n', join(folder, 'work'), '-a', `127.0.0.1:${port}`, '-f', join(folder, 'service.vcl'),
      '-s', 'malloc,16m'
    ],
    files: (_folder, _port, servers) => ({
      'service.vcl': `
vcl 4.1;
import directors;
probe ready { .url = "/readyz"; .interval = 1s; .timeout = 5s; .window = 3; .threshold = 2; .initial = 2; }
${servers.map(
  (server, index) => `backend s${index} { .host = "127.0.0.1"; .port = "${server}"; .probe = ready; }`
).join('\n')}
sub vcl_init {
  new service = directors.round_robin();
${servers.map((_server, index) => `  service.add_backend(s${index});`).join('\n')}
}
sub vcl_recv {
  set req.backend_hint = service.backend();
  return (pass);
}
`
    })
  }
]

function find (program: string): string | undefined {
  return ['/usr/sbin', '/usr/bin', '/usr/local/sbin', '/usr/local/bin']
    .map((folder) => join(folder, program))
    .find((file) => {
      try {
        accessSync(file, constants.X_OK)
        return true
      } catch {
        return false
      }
    })
}

/**
 * The path of its program; installed from Debian's packages first where it is missing.
 * @throws Error that says why there is none
 */
function programOf ({ program, package: name }: BalancerKind): string {
  const found = find(program)
  if (found !== undefined) return found
  const options = {
    stdio: 'pipe',
    timeout: 180_000,
    env: { ...process.env, DEBIAN_FRONTEND: 'noninteractive' }
  } as const
  execFileSync('apt-get', ['update', '-qq'], options)
  execFileSync('apt-get', ['install', '-y', '-qq', '--no-install-recommends', name], options)
  const installed = find(program)
  if (installed === undefined) throw new Error(`the package ${name} has brought no ${program}`)
  return installed
}

async function accepts (port: number): Promise<boolean> {
  const socket = connect(port, '127.0.0.1')
  const is = await new Promise<boolean>((resolve) => {
    socket.once('connect', () => resolve(true)).once('error', () => resolve(false))
  })
  socket.destroy()
  return is
}

/** Starts one in front of these servers. @throws Error with what it says, where it does not start */
export async function startBalancer (
  kind: BalancerKind,
  servers: readonly number[]
): Promise<{ port: number, stop: () => Promise<void> }> {
  const program = programOf(kind)
  const folder = mkdtempSync(join(tmpdir(), 'balancer-'))
  const port = await claimPort()
  for (const [name, text] of Object.entries(kind.files(folder, port, servers))) writeFileSync(join(folder, name), text)
  mkdirSync(join(folder, 'work'))
  const child: ChildProcess = spawn(program, kind.command(folder, port), {
    stdio: ['ignore', 'pipe', 'pipe'],
    env: { PATH: process.env['PATH'], HOME: folder, XDG_DATA_HOME: folder, XDG_CONFIG_HOME: folder }
  })
  endWithUs(child)
  prefer(child.pid, -10)
  const exited = once(child, 'exit')
  let output = ''
  for (const stream of [child.stdout, child.stderr]) {
    stream?.on('data', (chunk) => { output = (output + String(chunk)).slice(-4000) })
  }
  const stop = async (): Promise<void> => {
    // Varnish's own child ends with it in order only.
    if (child.exitCode === null && child.signalCode === null) child.kill('SIGTERM')
    const timer = setTimeout(() => child.kill('SIGKILL'), 5000)
    await exited
    clearTimeout(timer)
    rmSync(folder, { recursive: true, force: true })
  }
  for (let attempt = 0; !await accepts(port); attempt++) {
    if (child.exitCode !== null || attempt === 400) {
      await stop()
      throw new Error(`${kind.name} did not start: ${output}`)
    }
    await sleep(50)
  }
  return { port, stop }
}
