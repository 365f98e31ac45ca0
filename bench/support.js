// What the benches share: child processes, arithmetic, Markdown, the peers' installation.
import { fork, execFileSync } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, readFileSync } from 'node:fs'
import { cpus } from 'node:os'
import { fileURLToPath } from 'node:url'

export const here = name => fileURLToPath(new URL(name, import.meta.url))

/** Starts a file of this folder as a child process and waits for its first message. */
export async function start (file, args = [], options = {}) {
  const child = fork(here(file), args.map(String), options)
  const died = once(child, 'exit').then(([code, signal]) => {
    throw new Error(`${file} ended before it was ready: ${signal ?? code}`)
  })
  died.catch(() => {})
  const [message] = await Promise.race([once(child, 'message'), died])
  return { child, ...message }
}

/** Sends a message to a child and waits for its next one. */
export async function ask (child, message) {
  const answer = once(child, 'message')
  child.send(message)
  const [reply] = await answer
  return reply
}

export async function stop (child) {
  if (child.exitCode !== null || child.signalCode !== null) return
  const gone = once(child, 'exit')
  child.kill('SIGKILL')
  await gone
}

/** Says which limit was missed, and lets the bench fail. */
export function expectLimit (what, value, limit, unit = '') {
  if (value <= limit) return
  console.log(`\nlimit missed: ${what} ${value}${unit}, limit ${limit}${unit}`)
  process.exitCode = 1
}

export function median (numbers) {
  const sorted = numbers.toSorted((a, b) => a - b)
  const middle = sorted.length >> 1
  return sorted.length % 2 ? sorted[middle] : (sorted[middle - 1] + sorted[middle]) / 2
}

export const row = cells => `| ${cells.join(' | ')} |`
export const head = cells => `${row(cells)}\n${row(cells.map(() => '---'))}`

/** One line that says what the figures were measured on. */
export const machine = () =>
  `${cpus()[0]?.model.trim() ?? 'unknown processor'}, ${cpus().length} cores, `
    + `Node ${process.versions.node}, ${process.platform}`

const folders = ['', 'hosts/']

function namesIn (folder) {
  const { dependencies, devDependencies } = JSON.parse(readFileSync(here(`${folder}package.json`), 'utf8'))
  return Object.keys({ ...dependencies, ...devDependencies })
}

/** Installs the packages and programs we are compared with, unless they are there. */
export function installPeers () {
  for (const folder of folders) {
    const missing = namesIn(folder).filter(name => !existsSync(here(`${folder}node_modules/${name}/package.json`)))
    if (missing.length === 0) continue
    console.error(`installing ${missing.join(', ')} into bench/${folder}node_modules`)
    execFileSync(
      'npm',
      ['install', '--prefix', here(folder || '.'), '--no-audit', '--no-fund', '--no-package-lock', '--loglevel=error'],
      { stdio: ['ignore', 2, 2] }
    )
  }
}
