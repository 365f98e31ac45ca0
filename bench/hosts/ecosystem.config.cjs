// The service below pm2, in its one process.
module.exports = {
  apps: [{
    name: 'service',
    script: '../service.js',
    args: ['plain close'],
    kill_timeout: Number(process.env.TIMEOUT)
  }]
}
