import Fastify from 'fastify'
import type { FastifyInstance, FastifyServerOptions } from 'fastify'
import type { Test } from 'tap'
import { Health } from '../../lib/health/health.ts'
import type { HealthPorts } from '../../lib/health/health.ts'
import { registerProbes } from '../../lib/health/probes.ts'
import { Holds } from '../../lib/lifecycle/holds.ts'
import { FakeClock } from './fake-clock.ts'

export interface LogLine { level: 'warn' | 'info', details: object, message: string }

/** A health room whose surroundings are set by hand. */
export function makeHealth (ports: Partial<HealthPorts> = {}): {
  health: Health
  clock: FakeClock
  holds: Holds
  world: { started: boolean, announced: boolean, pressure: boolean | undefined }
  lines: LogLine[]
} {
  const clock = new FakeClock()
  const world: { started: boolean, announced: boolean, pressure: boolean | undefined } = {
    started: true,
    announced: false,
    pressure: undefined
  }
  const holds = new Holds({ changed: () => {}, failed: () => {}, after: clock.after, started: () => world.started })
  const lines: LogLine[] = []
  const health = new Health({
    now: clock.now,
    after: clock.after,
    started: () => world.started,
    announced: () => world.announced,
    holds: () => holds.reasons(),
    startupHolds: () => holds.startup(),
    pressure: () => world.pressure,
    epoch: () => Date.UTC(2026, 0, 1) + clock.now(),
    log: {
      warn: (details, message) => { lines.push({ level: 'warn', details, message }) },
      info: (details, message) => { lines.push({ level: 'info', details, message }) }
    },
    ...ports
  })
  return { health, clock, holds, world, lines }
}

/** The same behind the probe routes of an application. */
export function makeApp (
  t: Test,
  options: { prefix?: string, expose?: boolean, config?: object, fastify?: FastifyServerOptions } = {}
): ReturnType<typeof makeHealth> & { app: FastifyInstance } {
  const made = makeHealth()
  const app = Fastify({ ...options.fastify })
  registerProbes(
    app,
    made.health,
    { prefix: options.prefix ?? '', expose: options.expose ?? false },
    options.config ?? {}
  )
  t.teardown(async () => {
    made.health.stop()
    await app.close()
  })
  return { ...made, app }
}
