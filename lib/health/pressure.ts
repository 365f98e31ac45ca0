import type { FastifyInstance } from 'fastify'
import underPressure from '@fastify/under-pressure'
import type { FastifyUnderPressureOptions } from '@fastify/under-pressure'
import { errors } from '../errors.ts'
import type { PressureStatus } from '../status/model.ts'

/** Options of `@fastify/under-pressure`, and one of ours. */
export interface PressureOptions extends FastifyUnderPressureOptions {
  /**
   * Whether pressure makes the application not ready. Default: `false`, for overload is usually shared,
   * and taking one replica out loads the rest.
   */
  readiness?: boolean
}

/** The view on `@fastify/under-pressure`, whoever registered it. */
export interface Pressure {
  /** What it measures now; undefined where nobody registered it, and until the application is ready. */
  state (): PressureStatus | undefined
  /** For the verdict of readiness: whether it fails; undefined where pressure has no part in it. */
  check (): boolean | undefined
}

const decorator = 'isUnderPressure'

/**
 * Registers `@fastify/under-pressure` where options were given; finds the application's own registrations otherwise.
 *
 * @param app the instance it is registered on
 * @param root the root instance, whose tree is searched
 * @param options the option `pressure`; the object is copied, for `@fastify/under-pressure` changes what it gets
 * @throws FST_GRACEFUL_PRESSURE_TWICE options were given, and the application registers it, too: here, or later there
 */
export function setupPressure (
  app: FastifyInstance,
  root: FastifyInstance,
  options: PressureOptions | undefined
): Pressure {
  const registered = options === undefined ? findRegistrations(root) : [register(app, root, options)]
  const state = (): PressureStatus | undefined => {
    const [first] = registered
    if (first === undefined || !first.hasDecorator(decorator)) return undefined
    return { underPressure: registered.some((instance) => instance.isUnderPressure()), ...first.memoryUsage() }
  }
  const check = options?.readiness === true
    ? (): boolean => state()?.underPressure ?? false
    : (): undefined => undefined
  return { state, check }
}

function register (app: FastifyInstance, root: FastifyInstance, options: PressureOptions): FastifyInstance {
  if (root.hasDecorator(decorator) || app.hasDecorator(decorator)) throw new errors.FST_GRACEFUL_PRESSURE_TWICE()
  const { readiness: _, ...theirs } = options
  app.register(underPressure, theirs)
  app.after(() => refuseSecond(root))
  return app
}

/**
 * Fastify would refuse a second registration with an error that names a decorator, not the two who registered,
 * and would allow it inside an encapsulated plugin. There is no hook for a decoration, so the method is shadowed until
 * boot is over.
 */
function refuseSecond (root: FastifyInstance): void {
  const own = Object.getOwnPropertyDescriptor(root, 'decorate')
  const { decorate } = root
  const shadow = function (this: FastifyInstance, ...args: Parameters<typeof decorate>): FastifyInstance {
    const [name] = args
    if (name === decorator || (name === 'memoryUsage' && Object.hasOwn(this, name))) {
      throw new errors.FST_GRACEFUL_PRESSURE_TWICE()
    }
    return decorate.apply(this, args)
  }
  Object.defineProperty(root, 'decorate', { ...own, value: shadow })
  root.addHook('onReady', async () => {
    if (own !== undefined && Object.is(root.decorate, shadow)) Object.defineProperty(root, 'decorate', own)
  })
}

/** Every instance of the tree with a registration of its own, known when boot is over. */
function findRegistrations (root: FastifyInstance): FastifyInstance[] {
  const instances = [root]
  const found: FastifyInstance[] = []
  root.addHook('onRegister', (instance) => { instances.push(instance) })
  root.addHook('onReady', async () => {
    found.push(...instances.filter((instance) => Object.hasOwn(instance, decorator)))
    instances.length = 0
  })
  return found
}
