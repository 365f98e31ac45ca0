// The service in Nest, whose own hooks end it.
// oxlint-disable-next-line import/no-unassigned-import -- it adds to Reflect
import 'reflect-metadata'
import { setTimeout as sleep } from 'node:timers/promises'
import { Module } from '@nestjs/common'
import { NestFactory } from '@nestjs/core'
import { FastifyAdapter } from '@nestjs/platform-fastify'
import { routes, settings } from '../hosted.js'

const { logger, times } = settings()

class App {
  // Nest closes the server after this hook.
  async beforeApplicationShutdown () { await sleep(times.delay) }
}
Module({})(App)

const app = await NestFactory.create(App, new FastifyAdapter({ logger }), { logger: false })
app.enableShutdownHooks()
await app.register(await routes())
await app.listen(Number(process.env.PORT), '127.0.0.1')
