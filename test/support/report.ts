export { noTraffic } from '../../lib/lifecycle/no-traffic.ts'
