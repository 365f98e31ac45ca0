// What docs/guides/signals.md says. PORTS: one for each application.
const ports = process.env.PORTS.split(',')

module.exports = {
  apps: ports.map((port, index) => ({
    name: `shop-${index}`,
    ...process.env.WORKERS === undefined
      ? { script: 'server.js' }
      : {
          script: 'node_modules/fastify-graceful/dist/cli/index.js',
          args: `run --workers ${process.env.WORKERS} --min-ready ${process.env.WORKERS} server.js`
        },
    ...process.env.INSTANCES === undefined ? {} : { exec_mode: 'cluster', instances: Number(process.env.INSTANCES) },
    kill_timeout: 30_000,
    wait_ready: true,
    // Longer than anybody takes to be ready: who is not told waits in vain.
    listen_timeout: 60_000,
    env: { NODE_ENV: 'production', PORT: port, TERMINATION_GRACE_PERIOD_SECONDS: 30 }
  }))
}
