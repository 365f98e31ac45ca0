export { noTraffic } from '../../lib/lifecycle/report.ts'
