// Draws docs/images/drill.svg from two real drills: a service without the plugin, and the same one with it.
//   npm run picture
import { execFileSync } from 'node:child_process'
import { writeFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'

const root = fileURLToPath(new URL('../..', import.meta.url))
const [left, width, top, row] = [64, 640, 34, 22]
const heights = { starting: 4, running: 14, announcing: 11, closing: 14, draining: 8 }

function rehearse (service) {
  const args = ['dist/cli/index.js', 'drill', '--json', '-', service]
  const options = { cwd: root, stdio: ['ignore', 'pipe', 'ignore'], maxBuffer: 1 << 26 }
  try {
    return JSON.parse(execFileSync(process.execPath, args, options))
  } catch (error) {
    // It has lost something.
    return JSON.parse(error.stdout)
  }
}

function panel (title, { runs: [run] }, y) {
  const x = (at) => Math.round(left + (at - run.loadedAt) / (run.endedAt - run.loadedAt) * width)
  const lanes = run.replicas.map(({ name, history }, index) => {
    const base = y + top + index * row
    const bars = history.flatMap(({ phase, at }, step) => {
      const [from, to] = [Math.max(left, x(at)), x(history[step + 1]?.at ?? run.endedAt)]
      const height = heights[phase]
      return height === undefined || to <= from
        ? []
        : `<rect class="${phase}" x="${from}" y="${base + 14 - height}" width="${to - from}" height="${height}"/>`
    })
    const lost = new Set(run.losses.filter(({ replica }) => replica === name).map(({ failedAt }) => x(failedAt)))
    const marks = lost.size === 0 ? '' : `<path class="loss" d="${[...lost].map((at) => `M${at} ${base - 3}v20`).join('')}"/>`
    return `<text x="0" y="${base + 12}">${name}</text>${bars.join('')}${marks}`
  })
  return `<text class="title" x="0" y="${y + 18}">${title}: ${run.lost} of ${run.requests} requests lost</text>${lanes.join('\n')}`
}

const [plain, graceful] = [rehearse('test/cli/drill/fixtures/plain.js'), rehearse('examples/minimal.js')]
const lanes = plain.runs[0].replicas.length
const height = top + lanes * row + 14
writeFileSync(new URL('../../docs/images/drill.svg', import.meta.url), `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${left + width + 8} ${height * 2}" role="img" aria-labelledby="t">
<title id="t">Two drills of one service: without the plugin ${plain.runs[0].lost} requests are lost, with it ${graceful.runs[0].lost}</title>
<style>text{font:12px system-ui,sans-serif;fill:#24292f}.title{font-weight:600;font-size:14px}.starting{fill:#b4bdcb}.running{fill:#2f9e6b}.announcing{fill:#d99a1f}.closing{fill:#a33b12}.draining{fill:#4a78e0}.loss{stroke:#d1242f;stroke-width:1.5;fill:none}@media(prefers-color-scheme:dark){text{fill:#e6edf3}.loss{stroke:#ff8182}}</style>
${panel('app.close() on SIGTERM', plain, 0)}
${panel('With fastify-graceful', graceful, height)}
</svg>
`)
