// `npm run demo`: a rolling update of the shop, rehearsed by `fastify-graceful drill`, without the plugin and with it.
// Further options go to both drills: `npm run demo -- --front alb`.
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { constants, tmpdir } from 'node:os'
import { basename, join } from 'node:path'
import { fileURLToPath } from 'node:url'

const root = fileURLToPath(new URL('../..', import.meta.url))
const command = fileURLToPath(new URL('../../dist/cli/index.js', import.meta.url))
const folder = mkdtempSync(join(tmpdir(), 'fastify-graceful-demo-'))
process.once('exit', () => rmSync(folder, { recursive: true, force: true, maxRetries: 3 }))

/** What visitors of the shop ask for, an option and what belongs to it in each line. */
const visitors = [
  ['--path', '/products/7', '--weight', '6'],
  ['--path', '/products/7/offer?patience=200', '--weight', '2'],
  ['--path', 'POST /orders {"product":7}', '--status', '202'],
  ['--path', 'PUT /photos/cat content-type:image/jpeg meow'],
  ['--path', '/products.csv', '--weight', '0.2'],
  ['--websocket', '/orders/socket', '--events', '/orders/events']
]
const further = process.argv.slice(2)
/** Replicas of a few seconds know no rate of connections, and would wait for their end for 15 s, which is for longer. */
const variables = { GRACEFUL_ANNOUNCE_BLIND_SECONDS: '6' }

/** An argument as a shell takes it. */
function quoted (text) {
  return /^[\w./:=@%+,-]+$/.test(text) ? text : `'${text.replaceAll("'", String.raw`'\''`)}'`
}

const jsonOf = (service) => join(folder, `${basename(service, '.js')}.json`)

/** Rehearses the update of a service, and answers what was lost of how many requests. */
async function drill (service, { env = {}, options = [] } = {}) {
  const json = jsonOf(service)
  const lines = [['--rate', '60'], ...visitors, ['--json', json], options, further, [service]]
    .filter((line) => line.length > 0)
  const told = Object.entries(env).map(([name, value]) => `${name}=${value} `).join('')
  const typed = lines.map((line) => line.map(quoted).join(' ')).join(' \\\n    ')
  console.log(`\n$ ${told}npx fastify-graceful drill \\\n    ${typed}`)
  const child = spawn(process.execPath, [command, 'drill', ...lines.flat()], {
    cwd: root,
    stdio: 'inherit',
    env: { ...process.env, ...env, PHOTOS: folder }
  })
  const handOn = (signal) => {
    // Ctrl-C has reached the drill already.
    if (signal !== 'SIGINT' || !process.stdin.isTTY) child.kill(signal)
  }
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP']) process.on(signal, handOn)
  const [code, signal] = await once(child, 'exit')
  for (const one of ['SIGINT', 'SIGTERM', 'SIGHUP']) process.off(one, handOn)
  // Help, a mistake, Ctrl-C, or a service that has not started.
  if (!existsSync(json)) process.exit(code ?? 128 + constants.signals[signal])
  const { runs } = JSON.parse(readFileSync(json, 'utf8'))
  const sum = (name) => runs.reduce((total, run) => total + run[name], 0)
  return { lost: sum('lost'), requests: sum('requests'), code }
}

const without = 'examples/demo/plain.js'
const plain = await drill(without)
const graceful = await drill('examples/service/server.js', { env: variables, options: ['--compare', jsonOf(without)] })

const verdict = ({ lost, requests }) => `${lost} of ${requests} requests lost`
console.log(`
plain app.close():  ${verdict(plain)}
fastify-graceful:   ${verdict(graceful)}

${graceful.code === 0
    ? 'After SIGTERM the balancer still sends requests, until it has heard of it. app.close() refuses them; the plugin serves them.'
    : 'Requests were lost with the plugin, too. The last table says which, and what to do about it.'}`)
process.exitCode = graceful.code
