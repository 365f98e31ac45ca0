import { Random } from './random.ts'

/** What is sent. `message` is the IPC message `shutdown`; to a SIGSTOP belongs a SIGCONT, which is not counted. */
export type SignalName =
  | 'SIGTERM' | 'SIGINT' | 'SIGHUP' | 'SIGUSR2' | 'SIGUSR1' | 'SIGQUIT' | 'SIGKILL' | 'SIGSTOP' | 'SIGPIPE' | 'SIGWINCH'
  | 'message'
export type Moment = 'boot' | 'service' | 'reload' | 'shutdown'
/** The process that was started, one of its children, or the process group. */
export type Target = 'main' | 'child' | 'group'
type Logger = 'sync' | 'async' | 'transport'
type FaultKind = 'exception' | 'rejection' | 'block' | 'hang'
/** What a fault of the service waits for. */
type FaultAnchor = 'registered' | 'listening' | 'draining'
type Anchor = 'spawn' | 'registered' | 'serving' | 'previous'

/** One signal. */
export interface Step {
  name: SignalName
  target: Target
  /** The place of the child that it is for. */
  place: number
  moment: Moment
  /** What it comes after, and by how many milliseconds. `previous` is the signal before it. */
  after: Anchor
  delay: number
  /** Milliseconds from a SIGSTOP to its SIGCONT. */
  pause: number
}

/** Something that the service does to itself. */
interface Fault {
  kind: FaultKind
  on: FaultAnchor
  delay: number
  /** Milliseconds that a `block` takes. */
  time: number
  /** The place of the child that does it. */
  place: number
}

/** One run: all that is decided beforehand. */
export interface Plan {
  seed: number
  shape: 'service' | 'tree'
  workers: number
  /** Whether `fastify-graceful/signals` is loaded first. */
  isEarly: boolean
  /** Milliseconds that a plugin of the service takes to load. */
  boot: number
  logger: Logger
  gracePeriod: number
  restartExitCode: number
  hangUp: 'restart' | 'ignore'
  /** What SIGUSR2 is: an order to restart, or nothing that the plugin listens for. */
  user2: 'restart' | 'none'
  watchdog: boolean
  /** Requests per second; 0: none. */
  rate: number
  webSockets: number
  eventStreams: number
  /** Milliseconds that a request takes which is there when the first signal comes; 0: there is none. */
  stubborn: number
  steps: Step[]
  faults: Fault[]
}

/** How often each thing occurs, relative to the others of its table. */
export const weights = {
  shape: { service: 2, tree: 1 },
  count: { 1: 10, 2: 18, 3: 27, 4: 45 },
  moment: {
    service: { boot: 25, service: 75 },
    tree: { boot: 15, service: 40, reload: 45 }
  },
  signal: {
    SIGTERM: 32, SIGINT: 17, SIGHUP: 16, SIGUSR2: 7, SIGUSR1: 4, SIGQUIT: 3, SIGKILL: 5, SIGSTOP: 6, SIGPIPE: 3,
    SIGWINCH: 3, message: 4
  },
  target: { main: 50, child: 32, group: 18 },
  logger: { sync: 50, async: 25, transport: 25 },
  gap: { at_once: 35, short: 45, long: 20 },
  fault: { none: 66, block: 12, exception: 8, rejection: 6, hang: 8 },
  faultAnchor: { registered: 1, listening: 5, draining: 4 }
} as const

/** Milliseconds between two signals. */
const gaps = { at_once: [0, 40], short: [40, 950], long: [1050, 2200] } as const
/** A run whose event loop hangs lasts as long as its grace period. */
const grace = { usual: 10_000, hanging: 3000 }
/** Signals that end nothing and are no order. */
const harmless: readonly string[] = ['SIGUSR1', 'SIGSTOP', 'SIGPIPE', 'SIGWINCH']

/** Whether a signal of this plan, sent to the process that was started, is sure to end it. */
function ends (plan: Pick<Plan, 'shape' | 'hangUp'>, { name, target }: Step): boolean {
  if (target === 'child' || harmless.includes(name)) return false
  return name !== 'SIGHUP' || (plan.shape === 'service' && plan.hangUp === 'restart')
}

function stepOf (random: Random, shape: Plan['shape'], workers: number, first: Moment | undefined): Step {
  const target = shape === 'tree' ? random.pick(weights.target) : 'main'
  const drawn = random.pick(weights.signal)
  const [least, most] = gaps[random.pick(weights.gap)]
  const step: Step = {
    // A child has a channel, and its supervisor alone writes to it.
    name: drawn === 'message' && shape === 'tree' ? 'SIGTERM' : drawn,
    target,
    place: random.between(1, workers),
    moment: 'shutdown',
    after: 'previous',
    delay: random.between(least, most),
    pause: random.between(20, 700)
  }
  if (first === 'boot') {
    const isAtSpawn = random.chance(0.6)
    Object.assign(step, { moment: first, after: isAtSpawn ? 'spawn' : 'registered', delay: random.between(0, 700) })
    // Before it serves there may be no child.
    if (step.target === 'child') step.target = 'main'
  } else if (first !== undefined) {
    Object.assign(step, { moment: 'service', after: 'serving', delay: random.between(30, 450) })
  }
  return step
}

function stepsOf (random: Random, plan: Pick<Plan, 'shape' | 'hangUp' | 'workers'>, isHanging: boolean): Step[] {
  const { shape, workers } = plan
  const count = Number(random.pick(weights.count))
  const moment = random.pick(weights.moment[shape] as Record<Moment, number>)
  const steps = Array.from({ length: count }, (_, index) =>
    stepOf(random, shape, workers, index === 0 ? moment : undefined))
  // Whose event loop hangs reads no message.
  if (isHanging) for (const step of steps) if (step.name === 'message') step.name = 'SIGTERM'
  if (moment === 'reload') Object.assign(steps[0]!, { name: 'SIGHUP', target: 'main', moment: 'reload' })
  const end = steps.findIndex((step) => ends(plan, step))
  for (const [index, step] of steps.entries()) {
    if (index > 0 && (end === -1 || index <= end)) step.moment = moment
  }
  // Nobody would end it otherwise.
  if (end === -1) {
    const last = steps.at(-1)!
    if (count > 1 || moment !== 'reload') Object.assign(last, { name: 'SIGTERM', target: 'main' })
    else steps.push({ ...last, name: 'SIGTERM', after: 'previous', delay: random.between(0, 2200) })
  }
  return steps
}

function faultsOf (random: Random, shape: Plan['shape'], workers: number): Fault[] {
  const kind = random.pick(weights.fault)
  if (kind === 'none' || (kind === 'hang' && shape === 'tree')) return []
  const on = kind === 'hang' ? 'listening' : random.pick(weights.faultAnchor)
  // The watchdog is up when the service listens.
  const delay = random.between(kind === 'hang' ? 100 : 0, on === 'draining' ? 300 : 700)
  return [{ kind, on, delay, time: random.between(50, 900), place: random.between(1, workers) }]
}

/** The plan that follows from a seed. */
export function planOf (seed: number): Plan {
  const random = new Random(seed)
  const shape = random.pick(weights.shape)
  const workers = shape === 'service' ? 1 : (random.chance(0.7) ? 1 : 2)
  const faults = faultsOf(random, shape, workers)
  const isHanging = faults.some(({ kind }) => kind === 'hang')
  const hangUp = random.chance(0.75) ? 'restart' : 'ignore'
  return {
    seed, shape, workers, faults, hangUp,
    isEarly: random.chance(0.5),
    boot: random.chance(0.3) ? random.between(0, 700) : 0,
    logger: shape === 'service' ? random.pick(weights.logger) : 'sync',
    gracePeriod: isHanging ? grace.hanging : grace.usual,
    restartExitCode: random.chance(0.5) ? 75 : 0,
    user2: random.chance(0.5) ? 'restart' : 'none',
    watchdog: isHanging || random.chance(0.2),
    rate: random.chance(0.9) ? random.between(10, 40) : 0,
    webSockets: random.between(0, 2),
    eventStreams: random.between(0, 2),
    stubborn: random.chance(0.8) ? random.between(1000, 2600) : 0,
    steps: stepsOf(random, { shape, hangUp, workers }, isHanging)
  }
}
