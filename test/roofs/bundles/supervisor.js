import { supervise } from 'fastify-graceful/supervisor'

try {
  supervise({ script: process.argv[1] })
} catch (error) {
  console.log(`${error.code} ${error.message}`)
}
