// How long after the last thing that held it a service is gone: the last byte of a request, a participant,
// background work, a hook of a phase, an onClose hook.
//   node bench/ends.js [--runs 5]
import { once } from 'node:events'
import { request as call } from 'node:http'
import { performance } from 'node:perf_hooks'
import { parseArgs } from 'node:util'
import { expectLimit, head, median, row, start } from './support.js'

const { values: options } = parseArgs({ options: { runs: { type: 'string', default: '5' } } })

const holders = [['request', 1], ['request', 100], ['request', 1000], ['participant'], ['work'], ['hook'], ['onClose']]

/** Milliseconds from what held it to its end. */
async function measure (holder, requests = 0) {
  const { child, port } = await start('ends-server.js', [holder, requests], {
    stdio: ['ignore', 'pipe', 'inherit', 'ipc']
  })
  const ready = once(child, 'message')
  let told = ''
  child.stdout.on('data', text => { told += text })
  const read = once(child.stdout, 'close')
  const replies = Array.from({ length: requests }, () => new Promise((resolve, reject) => {
    call({ port, host: '127.0.0.1', agent: false }, response =>
      response.resume().once('end', () => resolve(response.statusCode))).once('error', reject).end()
  }))
  await ready
  child.kill('SIGTERM')
  const [code] = await once(child, 'exit')
  const gone = performance.timeOrigin + performance.now()
  await read
  const statuses = await Promise.all(replies)
  if (code !== 0 || statuses.some(status => status !== 200)) {
    throw new Error(`${holder}: exit code ${code}, replies ${[...new Set(statuses)].join()}`)
  }
  return gone - Math.max(...told.trim().split('\n').map(Number))
}

let slowest = 0
console.log(`medians of ${options.runs} runs; limit: 100 ms\n`)
console.log(head(['what held it to the last', 'requests in flight', 'ms from there to the exit (median)', 'longest']))
for (const [holder, requests] of holders) {
  const times = []
  for (let run = 0; run < Number(options.runs); run++) times.push(await measure(holder, requests))
  slowest = Math.max(slowest, median(times))
  console.log(row([holder, requests ?? '-', median(times).toFixed(0), Math.max(...times).toFixed(0)]))
}
expectLimit('the slowest median', Number(slowest.toFixed(1)), 100, ' ms')
