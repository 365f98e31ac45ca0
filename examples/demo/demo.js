// `npm run demo`: a rolling update that loses nothing, and the same one without the plugin.
import { mkdtemp } from 'node:fs/promises'
import { rmSync } from 'node:fs'
import { constants, tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe } from './settings.js'
import { summary, verdict } from './summary.js'
import { rollingUpdate } from './update.js'

const photos = await mkdtemp(join(tmpdir(), 'fastify-graceful-demo-'))

// On 'exit', so that every way out is covered: the end, Ctrl-C, a fault in the demo itself.
process.once('exit', () => {
  // Replicas are killed after this, and one may store a photo meanwhile.
  rmSync(photos, { recursive: true, force: true, maxRetries: 3 })
})
for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP']) {
  process.once(signal, () => process.exit(128 + constants.signals[signal]))
}

console.log(['Three replicas, each updated in turn, with these settings:', ...describe()].join('\n  '))

const ours = await rollingUpdate({ shutdown: 'graceful', photos })
const plain = await rollingUpdate({ shutdown: 'plain', photos })

console.log(`\n${summary(ours, plain).join('\n')}`)
console.log(`\nplain app.close(): ${verdict(plain)}\nfastify-graceful:  ${verdict(ours)}`)

const unclean = ours.replicas.filter(({ signalledAt, exit }) => signalledAt !== undefined && exit !== 0)
for (const { name, exit, log } of unclean) {
  console.error([`replica ${name} did not end in order: ${exit}`, ...log.map(({ msg }) => msg)].join('\n  '))
}

process.exit(ours.tally.lost === 0 && unclean.length === 0 ? 0 : 1)
