// npm run manifests: writes examples/kubernetes/base from the chart.
import { rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { folder, manifests, written } from './plain.ts'

const wanted = await manifests()
for (const name of written().keys()) if (!wanted.has(name)) rmSync(join(folder, name))
for (const [name, text] of wanted) writeFileSync(join(folder, name), text)
console.log([...wanted.keys()].join('\n'))
