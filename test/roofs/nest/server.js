// A service of Nest's as its documentation writes it, with what a compiler makes of the decorators.
// oxlint-disable-next-line import/no-unassigned-import -- it adds to Reflect
import 'reflect-metadata'
import { Body, Controller, Get, HttpCode, Module, Post, Query } from '@nestjs/common'
import { NestFactory } from '@nestjs/core'
import { FastifyAdapter } from '@nestjs/platform-fastify'
import graceful from 'fastify-graceful'
import { count, sayHook, wait } from './shop.js'

class Shop {
  #isOpen = true

  root () { return this.#use({ ok: true }) }

  async slow (ms) { return this.#use(await wait(ms)) }

  echo (body) { return this.#use(body) }

  // What a request needs is gone once Nest's hooks have run, as a pool is that a module closes.
  #use (value) {
    if (!this.#isOpen) throw new Error('the pool is closed')
    return value
  }

  onModuleDestroy () {
    this.#isOpen = false
    sayHook('onModuleDestroy')
  }

  beforeApplicationShutdown (signal) { sayHook('beforeApplicationShutdown', signal) }

  onApplicationShutdown (signal) { sayHook('onApplicationShutdown', signal) }
}

const decorate = (name, ...decorators) => {
  for (const decorator of decorators) {
    decorator(Shop.prototype, name, Object.getOwnPropertyDescriptor(Shop.prototype, name))
  }
}
decorate('root', Get())
decorate('slow', Get('slow'))
Query('ms')(Shop.prototype, 'slow', 0)
decorate('echo', Post('echo'), HttpCode(200))
Body()(Shop.prototype, 'echo', 0)
Controller()(Shop)

// oxlint-disable-next-line typescript/no-extraneous-class -- what it is stands in its metadata
class App {}
Module({ controllers: [Shop] })(App)

const app = await NestFactory.create(App, new FastifyAdapter({ logger: true }), { logger: ['error', 'warn'] })
app.register(graceful)
app.enableShutdownHooks()
count(app.getHttpServer())
await app.listen(Number(process.env.PORT), '127.0.0.1')
