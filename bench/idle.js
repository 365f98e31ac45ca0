// Many idle connections and many requests in flight: what they cost in memory, and how long the end takes.
//   node bench/idle.js [--runs 3] [--idle 10000] [--requests 1000]
import { once } from 'node:events'
import { setTimeout as sleep } from 'node:timers/promises'
import { parseArgs } from 'node:util'
import { ask, expectLimit, head, median, row, start, stop } from './support.js'

const { values: options } = parseArgs({
  options: {
    runs: { type: 'string', default: '3' },
    idle: { type: 'string', default: '10000' },
    requests: { type: 'string', default: '1000' }
  }
})
const idle = Number(options.idle)
const requests = Number(options.requests)
const drainIdle = 500

async function startPair (variant) {
  const server = await start('idle-server.js', [variant, drainIdle, requests], {
    execArgv: ['--expose-gc'], stdio: ['ignore', 'pipe', 'inherit', 'ipc']
  })
  const client = await start('idle-client.js', [server.port])
  return { server: server.child, client: client.child }
}

/** Bytes of heap per idle connection, compiled code and caches of the first thousand connections left out. */
async function memory ({ server, client }) {
  await ask(client, { idle: Math.min(1000, idle) })
  await ask(client, { drop: true })
  await sleep(300)
  const before = await ask(server, 'memory')
  await ask(client, { idle })
  const after = await ask(server, 'memory')
  return (after.heapUsed - before.heapUsed) / idle
}

/** SIGTERM with everything open; milliseconds. */
async function shutdown ({ server, client }) {
  let output = ''
  server.stdout.on('data', text => { output += text })
  const allInFlight = once(server, 'message')
  await ask(client, { slow: requests })
  await allInFlight
  await ask(server, 'watch')
  const gone = once(server, 'exit')
  const closed = once(server, 'close')
  server.kill('SIGTERM')
  const [code, signal] = await gone
  await closed
  if (!output) throw new Error(`the server ended without a word: ${signal ?? code}`)
  const { announced, exited, longest } = JSON.parse(output)
  const { replies, lastReply } = await ask(client, { result: true })
  return {
    end: signal ?? code,
    replies,
    longest,
    draining: exited - announced,
    beyond: exited - Math.max(lastReply, announced)
  }
}

const results = []

async function run () {
  const bare = await startPair('bare')
  const ours = await startPair('ours')
  try {
    const bytes = { bare: await memory(bare), ours: await memory(ours) }
    const end = await shutdown(ours)
    results.push({
      more: (bytes.ours / bytes.bare - 1) * 100,
      lost: requests - end.replies,
      beyond: end.beyond,
      turn: end.longest.turn
    })
    return row([
      Math.round(bytes.bare), Math.round(bytes.ours), `${((bytes.ours / bytes.bare - 1) * 100).toFixed(1)} %`,
      `${end.replies} of ${requests}`, Math.round(end.draining), Math.round(end.beyond), end.longest.turn.toFixed(1),
      end.longest.processor.toFixed(1), end.end
    ])
  } finally {
    await Promise.all([bare, ours].flatMap(pair => [stop(pair.server), stop(pair.client)]))
  }
}

console.log(
  `${idle} idle connections, ${requests} requests of 3 s in flight, `
    + `\`drain.idle\` ${drainIdle}; limits: memory 10 % more, 1500 ms beyond the last reply, turns of 50 ms\n`
)
console.log(head([
  'heap bytes per idle connection, bare', 'with the plugin', 'more', 'replies complete',
  'end of phase 1 to exit, ms', 'beyond the last reply, ms', 'longest turn, ms', 'most processor time of a turn, ms',
  'exit'
]))
for (let count = 0; count < Number(options.runs); count++) console.log(await run())
const middle = key => Number(median(results.map(result => result[key])).toFixed(1))
expectLimit('more memory per idle connection, median', middle('more'), 10, ' %')
expectLimit('replies lost', Math.max(...results.map(result => result.lost)), 0)
expectLimit('from the last reply to the exit, median', middle('beyond'), 1500, ' ms')
expectLimit('longest turn, median', middle('turn'), 50, ' ms')
