import { join } from 'node:path'
import { each } from './balancer.ts'
import type { Balancer, Context } from './balancer.ts'

const modules = [
  'mpm_event', 'authz_core', 'proxy', 'proxy_http', 'slotmem_shm', 'proxy_balancer', 'lbmethod_byrequests',
  'proxy_hcheck'
]

const text = (parameters: string, more = '') => ({ folder, port, servers }: Context): Record<string, string> => ({
  'httpd.conf': `
ServerName 127.0.0.1
Listen 127.0.0.1:${port}
PidFile ${folder}/pid
DefaultRuntimeDir ${folder}
Mutex file:${folder} default
ErrorLog ${folder}/error.log
KeepAliveTimeout 60
ThreadsPerChild 64
${modules.map((name) => `LoadModule ${name}_module /usr/lib/apache2/modules/mod_${name}.so`).join('\n')}
${more}<Proxy "balancer://service">
${each(servers, (server) => `  BalancerMember "http://127.0.0.1:${server.port}"${parameters}`)}
  ProxySet lbmethod=byrequests maxattempts=0
</Proxy>
ProxyPass "/" "balancer://service/"
`
})

const checked = ' hcmethod=GET hcuri=/readyz hcinterval=1 hcfails=2 hcpasses=1 hcexpr=ready ttl=60'

export const apache: Balancer = {
  name: 'Apache httpd',
  program: 'apache2',
  package: 'apache2-bin',
  version: ['-v'],
  command: ({ folder }) => ['-X', '-d', folder, '-f', join(folder, 'httpd.conf')],
  setups: [
    {
      name: 'defaults',
      files: text(''),
      why: 'without `hcmethod` Apache does not probe, so the service detects no front end and exits at once. Apache notices '
        + 'when a request fails, and then skips the server for a minute (`retry=60`)'
    },
    {
      name: 'recommended',
      asks: 'GET /readyz',
      files: text(checked, 'ProxyHCExpr ready {%{REQUEST_STATUS} =~ /^2/}\n'),
      why: 'probes each second, takes a server out after 2 failures; the service waits for three'
    }
  ],
  pool: {
    setting: '`ttl` of the `BalancerMember`',
    byDefault: 'no end',
    longer: { files: text(' ttl=60') },
    shorter: { files: text(' ttl=1') },
    note: 'must be set'
  }
}
