import { fileURLToPath } from 'node:url'
import { join } from 'node:path'
import type { Balancer, Context } from './balancer.ts'

const text = (interval: number) => ({ port, servers }: Context): Record<string, string> => ({
  'gateway.json': `${JSON.stringify({ port, upstreams: servers.map((server) => `http://127.0.0.1:${server.port}`), interval })}\n`
})

export const gateway: Balancer = {
  name: 'the plugin, as a gateway',
  program: process.execPath,
  version: ['--version'],
  command: ({ folder }) => [
    fileURLToPath(new URL('../../../examples/gateway/server.js', import.meta.url)), join(folder, 'gateway.json')
  ],
  setups: [
    {
      name: 'defaults',
      files: text(0),
      why: 'the gateway does not probe, so the service detects no front end and exits at once; the gateway keeps sending '
        + 'to the closed port'
    },
    {
      name: 'recommended',
      asks: 'GET /readyz',
      files: text(1000),
      why: 'the gateway probes each second, and skips a server that does not respond with 200'
    }
  ]
}
