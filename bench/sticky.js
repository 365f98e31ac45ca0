// What a new connection costs with `--sticky`: `node bench/sticky.js [seconds]`, on 127.0.0.1, one request each.
import { spawn } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { connect } from 'node:net'
import { setTimeout as sleep } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'

const seconds = Number(process.argv[2] ?? 10)
const path = (name) => fileURLToPath(new URL(name, import.meta.url))
const clients = 50

/** Milliseconds of processor time that a process has used. */
function used (pid) {
  const fields = readFileSync(`/proc/${pid}/stat`, 'utf8').split(') ')[1].split(' ')
  return (Number(fields[11]) + Number(fields[12])) * 10
}

function exchange (port, localAddress) {
  return new Promise((resolve, reject) => {
    const socket = connect({ port, host: '127.0.0.1', localAddress })
    socket.on('error', reject).on('close', resolve).resume()
    socket.write('GET / HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n')
  })
}

async function measure (flags) {
  const tree = spawn(process.execPath, [
    path('../dist/cli/index.js'), 'run', '--workers', '2', '--min-ready', '2', ...flags,
    path('../test/supervisor/fixtures/service.js')
  ], { stdio: ['ignore', 'pipe', 'inherit'] })
  let output = ''
  tree.stdout.on('data', (text) => { output += text })
  while (!/"ready":true/.test(output)) await sleep(50)
  const port = Number(/^listening (\d+)/m.exec(output)[1])
  const children = [...output.matchAll(/"childPid":(\d+)/g)].map(([, pid]) => Number(pid))
  let count = 0
  const run = async (time) => {
    const end = performance.now() + time
    await Promise.all(Array.from({ length: clients }, async (_, index) => {
      for (; performance.now() < end; count++) await exchange(port, `127.0.2.${index + 1}`)
    }))
  }
  await run(2000)
  count = 0
  const before = [tree.pid, ...children].map(used)
  await run(seconds * 1000)
  const [parent, ...rest] = [tree.pid, ...children].map((pid, index) => used(pid) - before[index])
  tree.kill('SIGTERM')
  const each = (time) => `${Math.round(time * 1000 / count)} us`
  console.log(`${flags[0] ?? 'without'}: ${Math.round(count / seconds)} connections a second; processor time of each: `
    + `supervisor ${each(parent)}, children ${each(rest.reduce((sum, time) => sum + time, 0))}`)
}

for (const flags of [[], ['--sticky'], [], ['--sticky']]) await measure(flags)
