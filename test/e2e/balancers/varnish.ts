import { join } from 'node:path'
import { each } from './balancer.ts'
import type { Balancer, Context } from './balancer.ts'

const text = (probe?: string, keeps = false) => ({ servers }: Context): Record<string, string> => ({
  'service.vcl': `
vcl 4.1;
import directors;
${probe === undefined ? '' : `probe ready { ${probe} }\n`}${
    each(servers, (server, index) => `backend s${index + 1} { .host = "127.0.0.1"; .port = "${server.port}";${
      probe === undefined ? '' : ' .probe = ready;'} }`)}
sub vcl_init {
  new service = directors.round_robin();
${each(servers, (_server, index) => `  service.add_backend(s${index + 1});`)}
}
sub vcl_recv {
  set req.backend_hint = service.backend();
  return (pass);
}
${keeps ? '' : 'sub vcl_backend_fetch {\n  set bereq.http.Connection = "close";\n}\n'}`
})

export const varnish: Balancer = {
  name: 'Varnish',
  program: 'varnishd',
  package: 'varnish',
  version: ['-V'],
  command: ({ folder, port }) => [
    '-F', '-j', 'none', '-n', join(folder, 'work'), '-a', `127.0.0.1:${port}`, '-f', join(folder, 'service.vcl'),
    '-s', 'malloc,16m', '-p', 'timeout_idle=60'
  ],
  setups: [
    {
      name: 'defaults',
      files: text(),
      why: 'without a probe Varnish never notices, and keeps sending to the closed port; the service detects no front '
        + 'end and exits at once'
    },
    {
      name: 'recommended',
      asks: 'GET /readyz',
      files: text('.url = "/readyz"; .interval = 1s; .timeout = 5s; .window = 3; .threshold = 2; .initial = 2;'),
      why: 'probes each second, takes a server out after 2 failures of 3; the service waits for three'
    }
  ],
  pool: {
    setting: 'the parameter `backend_idle_timeout`',
    byDefault: '60 s',
    longer: { files: text(undefined, true), args: ['-p', 'backend_idle_timeout=60'] },
    shorter: { files: text(undefined, true), args: ['-p', 'backend_idle_timeout=1'] },
    note: 'the default is fine. Varnish repeats a request without a body that a kept connection has not answered: '
      + '`set bereq.http.Connection = "close"` keeps none'
  }
}
