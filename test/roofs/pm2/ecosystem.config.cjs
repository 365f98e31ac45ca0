// What docs/signals.md says. PORTS: one for each application.
const ports = process.env.PORTS.split(',')

module.exports = {
  apps: ports.map((port, index) => ({
    name: `shop-${index}`,
    script: 'server.js',
    ...process.env.INSTANCES === undefined ? {} : { exec_mode: 'cluster', instances: Number(process.env.INSTANCES) },
    kill_timeout: 30_000,
    wait_ready: true,
    env: { NODE_ENV: 'production', PORT: port, TERMINATION_GRACE_PERIOD_SECONDS: 30 }
  }))
}
