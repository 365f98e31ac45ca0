import type { Balancer, Context } from './balancer.ts'

/** A server is known by its host: each has an address of its own. */
const hostOf = (index: number): string => `127.0.0.${index + 11}`
const parentsOf = ({ servers }: Context): string =>
  servers.map(({ port }, index) => `${hostOf(index)}:${port}|1.0`)
    .filter((_parent, index) => !servers[index]!.isOut).join(';')

const filesWith = (idle: number) => (context: Context): Record<string, string> => ({
  'parent.config':
    `dest_domain=. parent="${parentsOf(context)}" round_robin=strict go_direct=false parent_is_proxy=false\n`,
  'records.config': [
    `http.server_ports STRING ${context.port}:ip-in=127.0.0.1`,
    'http.cache.http INT 0',
    'http.wait_for_cache INT 0',
    'http.no_dns_just_forward_to_parent INT 1',
    'http.connect_attempts_max_retries INT 0',
    'http.connect_attempts_max_retries_dead_server INT 0',
    // With 1 a connection that is refused is tried at the next server.
    'http.parent_proxy.total_connect_attempts INT 0',
    'http.parent_proxy.fail_threshold INT 1',
    'http.parent_proxy.retry_time INT 10',
    `http.keep_alive_no_activity_timeout_out INT ${idle}`,
    'exec_thread.autoconfig INT 0',
    'exec_thread.limit INT 2',
    'log.logging_enabled INT 0',
    // It does not serve as root.
    `admin.user_id STRING ${process.getuid?.() === 0 ? 'nobody' : '#-1'}`
  ].map((line) => `CONFIG proxy.config.${line}\n`).join(''),
  'remap.config': 'map / http://service/\n',
  'ip_allow.yaml': 'ip_allow:\n  - { apply: in, ip_addrs: 127.0.0.1, action: allow, methods: ALL }\n',
  'storage.config': '',
  'runroot.yaml': [
    ['prefix', ''], ['exec_prefix', ''], ['sysconfdir', ''], ['datadir', 'work'], ['localstatedir', 'work'],
    ['runtimedir', 'work'], ['logdir', 'work'], ['cachedir', 'work']
  ].map(([name, folder]) => `${name}: ${context.folder}/${folder}\n`).join('')
    + 'bindir: /usr/bin\nsbindir: /usr/sbin\nlibexecdir: /usr/lib/trafficserver/modules\n'
})

const files = filesWith(60)

export const trafficServer: Balancer = {
  name: 'Traffic Server',
  program: 'traffic_manager',
  package: 'trafficserver',
  version: ['--version'],
  command: ({ folder }) => [`--run-root=${folder}/runroot.yaml`, '--nosyslog'],
  // It reads its files within some seconds.
  reload: async ({ signal }) => signal('SIGHUP'),
  setups: [
    {
      name: 'defaults',
      files,
      why: 'Traffic Server does not probe, and notices when a request fails; the service detects no front end and exits '
        + 'at once. With the default of `total_connect_attempts` (4) a refused connection goes to the next server, and '
        + 'none of these is lost'
    },
    {
      name: 'recommended',
      files,
      takenOut: 500,
      options: { announce: { min: 2000 } },
      why: 'removed from `parent.config` first, then SIGTERM; `announce.min` covers the requests on their way'
    }
  ],
  pool: {
    setting: '`proxy.config.http.keep_alive_no_activity_timeout_out`',
    byDefault: '120 s',
    longer: { files },
    shorter: { files: filesWith(1) },
    note: 'must be set. With `total_connect_attempts` above 0 it repeats a GET that a kept connection has not '
      + 'answered'
  }
}
