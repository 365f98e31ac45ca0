// Builds the example image from what a fresh checkout has, starts it as a container runtime would, and ends it.
import { execFileSync } from 'node:child_process'
import { once } from 'node:events'
import { cpSync, mkdirSync, readFileSync } from 'node:fs'
import { homedir } from 'node:os'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import t from 'tap'
import { claimPort } from '../../lib/drill/processes.ts'
import { readStages } from '../e2e/kubelet/image.ts'
import { nodeBinary } from '../roofs/support/install.ts'
import { readLines } from '../support/lines.ts'
import { makeBase } from './image/base.ts'
import { Buildah, descendants, installBuildah } from './image/buildah.ts'

const root = fileURLToPath(new URL('../../', import.meta.url))

// Installs 500 packages in a container, on cores that are busy with other tests.
t.setTimeout(900_000)

/** What git would check out, with what has been changed since. */
function checkout (folder: string): void {
  const files = execFileSync('git', ['ls-files', '-z', '--cached', '--others', '--exclude-standard', '--deduplicate'], {
    cwd: root,
    encoding: 'utf8'
  }).split('\0').filter((file) => file !== '')
  for (const file of files) {
    mkdirSync(dirname(join(folder, file)), { recursive: true })
    cpSync(join(root, file), join(folder, file), { force: true })
  }
}

t.test('the example image is built from a fresh checkout, answers its probes, serves, and ends in order', async (t) => {
  installBuildah()
  const builder = new Buildah()
  t.teardown(() => builder.remove())
  const begun = Date.now()
  const took = (what: string): void => t.comment(`${what} after ${((Date.now() - begun) / 1000).toFixed(1)} s`)
  const context = join(builder.folder, 'checkout')
  checkout(context)

  // There is no registry of images here: the base is made from this machine's packages and a Node of the version
  // that the file names.
  const bases = [
    ...new Set(readStages(join(root, 'examples/Dockerfile')).map(([from]) => from!.argument.split(' ')[0]!))
  ]
  t.equal(bases.length, 1)
  const [base = ''] = bases
  const node = await nodeBinary(Number(/^node:(\d+)-/.exec(base)![1]))
  await builder.make([`docker.io/library/${base}`], (folder) => makeBase(folder, node))

  took('the base image')

  const cache = join(homedir(), '.npm')
  mkdirSync(cache, { recursive: true })
  await builder.ask(
    'build', '--pull-never', '--volume', `${cache}:/root/.npm`, '--file', 'examples/Dockerfile', '--tag', 'shop',
    context
  )
  took('the image')
  const config = await builder.config('shop')
  t.match(config, { User: '1000:1000', WorkingDir: '/app', ExposedPorts: { '3000/tcp': {} } })

  const port = await claimPort()
  const container = await builder.run('shop', [...config.Entrypoint, ...config.Cmd], {
    PORT: String(port),
    TERMINATION_GRACE_PERIOD_SECONDS: '20'
  })
  let output = ''
  readLines(container.stdout!, (lines) => { output += lines })
  readLines(container.stderr!, (lines) => { output += lines })
  const exited = once(container, 'close')
  const init = (): number | undefined =>
    descendants(container.pid!).find(({ command }) => /(^|\/)tini$/.test(command[0] ?? ''))?.pid
  t.teardown(() => {
    const pid = init()
    if (pid !== undefined) process.kill(pid, 'SIGKILL')
    container.kill('SIGKILL')
  })
  const answer = async (path: string): Promise<string> => await fetch(`http://127.0.0.1:${port}${path}`)
    .then(async (response) => `${response.status} ${await response.text()}`, () => '')
  while (await answer('/readyz') === '' && container.exitCode === null) {
    await new Promise((resolve) => { setTimeout(resolve, 100) })
  }

  t.match(await answer('/livez'), /^200 /, output)
  t.match(await answer('/readyz?verbose'), /^200 [^]*\[\+\]photos ok/)
  t.equal(await answer('/products/7'), '200 {"id":"7","stock":12}')
  const service = descendants(container.pid!).find(({ command }) => command[0] === 'node')!
  t.match(readFileSync(`/proc/${service.pid}/status`, 'utf8'), /^Uid:\t1000\t1000\t/m, 'not root')

  const offer = answer('/products/7/offer?patience=500')
  await answer('/livez') // sent after the offer, so the offer has arrived as well
  process.kill(init()!, 'SIGTERM')
  t.equal(await offer, '200 {"id":"7","price":9.95}', 'what is in flight is served')
  t.same(await exited, [0, null], output)
  t.match(output, /"event":"graceful\.report".*"verdict":"clean"/)
})
