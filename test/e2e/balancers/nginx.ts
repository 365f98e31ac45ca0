import { setTimeout as sleep } from 'node:timers/promises'
import { each } from './balancer.ts'
import type { Balancer, Context, RunningBalancer } from './balancer.ts'

/** Where nginx says which configuration it goes by. */
const generation = '/balancer/generation'
/** Answers in a row after which no worker of before takes connections. */
const enough = 8

const outOf = ({ servers }: Context): string => servers.map(({ isOut }) => isOut ? 'x' : '-').join('')

const text = (scheme: 'http' | 'https', idle = '') => (context: Context): Record<string, string> => ({
  'nginx.conf': `
worker_processes 2;
pid ${context.folder}/nginx.pid;
events { worker_connections 4096; }
http {
  access_log off;
  client_body_temp_path ${context.folder}/body;
  proxy_temp_path ${context.folder}/proxy;
  fastcgi_temp_path ${context.folder}/fastcgi;
  uwsgi_temp_path ${context.folder}/uwsgi;
  scgi_temp_path ${context.folder}/scgi;
  upstream service {
${each(context.servers, ({ port, isOut }) => `    server 127.0.0.1:${port}${isOut ? ' down' : ''};`)}
    keepalive 16;${idle}
  }
  server {
    listen 127.0.0.1:${context.port};
    location / {
      proxy_pass ${scheme}://service;
      proxy_http_version 1.1;
      proxy_set_header Connection "";
      proxy_next_upstream off;
      proxy_request_buffering off;
    }
    location = ${generation} { return 200 "${outOf(context)}"; }
  }
}
`
})

async function reload ({ context, signal, get }: RunningBalancer): Promise<void> {
  signal('SIGHUP')
  for (let inARow = 0; inARow < enough;) {
    const { text } = await get(generation)
    inARow = text === outOf(context) ? inARow + 1 : 0
    await sleep(20)
  }
}

const untold = 'nginx does not probe, and notices when a request fails (`max_fails=1`); the service detects no front end '
  + 'and exits at once'
const told = '`down` and a reload first, then SIGTERM; `announce.min` covers the requests that old workers still send'
const recommended = {
  takenOut: 500,
  options: { announce: { min: 2000 } },
  ownLoss: {
    kinds: ['reset-reused'] as const,
    within: 3000,
    why: 'a worker that ends after a reload closes the idle connections of clients, and a request may cross that '
      + '(`keepalive_min_timeout` of nginx 1.27.4 prevents it). A fault of the service would show as status 502'
  },
  why: told
}

export const nginx: Balancer = {
  name: 'nginx',
  program: 'nginx',
  version: ['-v'],
  command: ({ folder }) => ['-p', folder, '-c', 'nginx.conf', '-e', 'stderr', '-g', 'daemon off; user root;'],
  reload,
  setups: [
    { name: 'defaults', files: text('http'), why: untold },
    { name: 'recommended', files: text('http'), ...recommended },
    { name: 'TLS', protocol: 'tls', files: text('https'), ...recommended }
  ],
  pool: {
    setting: '`keepalive_timeout` of the `upstream`',
    byDefault: '60 s',
    longer: { files: text('http', ' keepalive_timeout 60s;') },
    shorter: { files: text('http', ' keepalive_timeout 1s;') },
    note: 'the default is fine'
  }
}
