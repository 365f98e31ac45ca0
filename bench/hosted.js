// What a service of the benches reads from its environment, whatever program it runs below.

/** The plugin with the routes, on the instance itself. */
export async function routes () {
  const { default: plugin } = await import(process.env.ROUTES)
  return Object.assign(plugin, { [Symbol.for('skip-override')]: true })
}

const number = text => text === undefined ? undefined : Number(text)

/** The logger that the bench asks for, and the times of the set-up: see peers.js. */
export function settings (env = process.env) {
  return {
    logger: env.LOGGER === 'transport' && { transport: { target: 'pino/file', options: { destination: 1 } } },
    times: { delay: number(env.DELAY) ?? 0, timeout: number(env.TIMEOUT) }
  }
}
