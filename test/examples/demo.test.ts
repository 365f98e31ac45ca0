import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { readdirSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { text } from 'node:stream/consumers'
import { fileURLToPath } from 'node:url'
import t from 'tap'
import type { Test } from 'tap'
import { cleanEnv } from '../support/clean-env.ts'

const demo = fileURLToPath(new URL('../../examples/demo/demo.js', import.meta.url))

// Far more than it takes on two busy cores.
t.setTimeout(300_000)

interface Outcome { code: number | null, output: string, errors: string }

async function run (t: Pick<Test, 'teardown'>, args: readonly string[]): Promise<Outcome> {
  const child = spawn('env', [...cleanEnv, process.execPath, demo, ...args], { stdio: ['ignore', 'pipe', 'pipe'] })
  t.teardown(() => child.kill('SIGTERM'))
  const [output, errors, [code]] = await Promise.all([
    text(child.stdout), text(child.stderr), once(child, 'exit') as Promise<[number | null]>
  ])
  return { code, output, errors }
}

const leftovers = (): string[] => readdirSync(tmpdir()).filter((name) => name.startsWith('fastify-graceful-demo-'))

t.test('the demo loses nothing with the plugin, and something without', async (t) => {
  const { code, output, errors } = await run(t, [])
  t.equal(code, 0, 'exit code', { output, errors })

  const ours = /^fastify-graceful: +0 of (\d+) requests lost$/m.exec(output)
  t.ok(ours, 'none lost with the plugin')
  t.ok(Number(ours?.[1]) > 500, 'enough requests for that to mean something')

  const plain = /^plain app\.close\(\): +(\d+) of \d+ requests lost$/m.exec(output)
  t.ok(Number(plain?.[1]) > 0, 'plain close loses some under the same load')

  const [, withPlugin = ''] = output.split('Rolling update: examples/service/server.js')
  for (const name of ['1 old', '2 old', '3 old']) {
    t.match(withPlugin, new RegExp(`replica ${name}  announcing`), `${name} announces`)
    t.match(withPlugin, new RegExp(`replica ${name}  terminated, exit 0`), `${name} ends in order`)
  }
  t.match(output, /^\$ npx fastify-graceful drill \\\n(?: .*\\\n)+ +examples\/demo\/plain\.js\n/m, 'what is run, first')
  t.match(output, /^\$ \w+=6 npx fastify-graceful drill \\\n(?: .*\\\n)+ +examples\/service\/server\.js\n/m)
  t.match(output, /the plugin serves them\.\n$/, 'the last line says what it means')
  t.notMatch(output, '\u001b', 'no control codes where there is no terminal')
})

t.test('what the drill does not take ends the demo with its exit code, and nothing stays behind', async (t) => {
  const before = leftovers()
  const { code, output, errors } = await run(t, ['--front', 'elb'])
  t.equal(code, 64)
  t.match(output, /^ {4}--front elb \\$/m)
  t.match(errors, "option '--front' must be one of")
  t.same(leftovers(), before)
})
