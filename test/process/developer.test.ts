import t from 'tap'
import { isDeployed } from '../../lib/environment.ts'
import { developerOf } from '../../lib/process/developer.ts'

/** Processes above, the nearest first. */
const above = (...commands: string[]) => (pid: number, file: 'cmdline' | 'status'): string => {
  const command = commands[100 - pid]
  if (command === undefined) throw new Error('no such process')
  return file === 'status' ? `Name:\tx\nPPid:\t${pid - 1}\n` : `${command.replaceAll(' ', '\0')}\0`
}

t.test('what says that somebody develops the service', async (t) => {
  const pod = { KUBERNETES_SERVICE_HOST: '10.0.0.1' }
  const production = { NODE_ENV: ' production ' }
  const cases: Array<[env: NodeJS.ProcessEnv, above: string[], expected: string | undefined, script?: string]> = [
    [{}, [], undefined],
    [{}, ['-bash', 'tmux'], undefined],
    [{ WATCH_REPORT_DEPENDENCIES: '1', ...production, ...pod }, [], 'node --watch'],
    [{ WATCH_REPORT_DEPENDENCIES: '' }, [], undefined],
    [{ NODE_ENV: 'development ' }, [], 'NODE_ENV=development'],
    [{ NODE_ENV: 'development', ...pod }, [], undefined],
    [{ NODE_ENV: 'development', RENDER: 'true', RENDER_SERVICE_ID: 'srv-1' }, [], undefined],
    [{ NODE_ENV: 'test' }, [], undefined],
    [{}, ['node /app/node_modules/.bin/nodemon server.js'], 'nodemon'],
    [{}, ['sh -c node server.js', '/usr/bin/node /usr/lib/node_modules/nodemon/bin/nodemon.js'], 'nodemon'],
    [{}, ['node /app/node_modules/.bin/tsx watch server.ts'], 'tsx watch'],
    [{ ...pod }, ['node /app/node_modules/tsx/dist/cli.mjs watch --clear-screen=false server.ts'], 'tsx watch'],
    [{}, ['node /app/node_modules/.bin/tsx server.ts', 'sh'], undefined],
    [{}, ['node /app/node_modules/.bin/tsx server.ts watch', 'sh'], undefined],
    [{}, ['node /app/nodemon-like/run.js', 'vi nodemon.json'], undefined],
    [{ ...production }, ['node /app/node_modules/.bin/nodemon server.js'], undefined],
    [{ npm_lifecycle_script: 'NODE_ENV=test nodemon --signal SIGTERM server.js' }, [], 'nodemon'],
    [{ npm_lifecycle_script: 'concurrently "tsx watch a.ts" "node b.js"' }, [], 'tsx watch'],
    [{ npm_lifecycle_script: 'tsx server.ts' }, [], undefined],
    [{}, [], 'fastify-cli --watch', '/app/node_modules/fastify-cli/lib/watch/fork.js'],
    [{ ...production }, [], undefined, '/app/node_modules/fastify-cli/lib/watch/fork.js'],
    [{}, [], undefined, '/app/lib/watch/fork.js']
  ]
  for (const [env, commands, expected, script = '/app/server.js'] of cases) {
    const surroundings = { env, argv: ['node', script], parent: 100, isDeployed: isDeployed(env), read: above(...commands) }
    t.equal(developerOf(surroundings), expected, JSON.stringify([env, commands, script]))
  }
  t.equal(developerOf({ env: {}, argv: ['node'], parent: 0, isDeployed: false }), undefined, 'nobody is above')
})
