// npm run charts: packages both charts into the folder from which it is called, as "npm pack" does.
import { packageCharts } from './package.ts'

for (const archive of await packageCharts(process.cwd())) console.log(archive)
