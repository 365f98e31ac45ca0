import { apache } from './apache.ts'
import type { Balancer } from './balancer.ts'
import { caddies } from './caddy.ts'
import { gateway } from './gateway.ts'
import { haproxies } from './haproxy.ts'
import { nginx } from './nginx.ts'
import { trafficServer } from './traffic-server.ts'
import { varnish } from './varnish.ts'

/** In the order of the documentation. */
export const balancers: readonly Balancer[] = [
  ...haproxies, nginx, apache, ...caddies, varnish, trafficServer, gateway
]
