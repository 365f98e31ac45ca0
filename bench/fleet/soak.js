// The soak in virtual time: three replicas, the users of test/e2e/users.ts, and a balancer like HAProxy in TCP mode.
// Nothing is left to symmetry here: each replica and each connection is there.
import { choose } from '../../lib/drill/profiles.ts'
import { replicaUsers } from '../../test/e2e/users.ts'
import { VirtualClock } from './clock.js'
import { Random, withRandom } from './random.js'
import { Replica, settingsOf } from './replica.js'

/** As the soak has them, in milliseconds. */
const warmUp = 16_000
const coolDown = 500
const hangUp = 2000
const stagger = 3000
const count = 3
/** Of HAProxy's checks: the time between two, and the failures that take a replica out. */
const check = { interval: 500, failures: 2 }
/** From the start of a replica until it is ready, on the machine of the measured runs; assumed. */
const boot = [1000, 2500]

/** What is measured: how long after SIGTERM a replica is out of rotation; a check of its own finds out by itself. */
export const series = [
  { name: 'endpoint', rate: 300, after: 2000, updates: 20 },
  { name: 'check', rate: 300, updates: 20 },
  { name: 'late', rate: 300, after: 16_000, updates: 5 },
  { name: 'sparse', rate: 3, after: 10_000, updates: 5 }
]

/** How long a request is served, in milliseconds, as test/e2e/replica.js has it. */
function durationOf (path, random) {
  if (path.startsWith('/slow?ms=')) return Number(path.slice('/slow?ms='.length))
  if (path === '/very-slow') return 4000
  if (path.startsWith('/stream')) return 310
  if (path === '/upload') return random.between(100, 300)
  return 2
}

/** One update. */
export function soakOnce ({ rate, after }, seed) {
  const random = new Random(seed)
  return withRandom(random, () => new Soak({ rate, after, random }).run())
}

class Soak {
  requests = 0
  lost = 0
  #clock = new VirtualClock()
  #rate
  #after
  #random
  #rotation = []
  #turn = 0
  #free = new Map(replicaUsers.map(profile => [profile, []]))
  #gone = []
  #startedAt
  #stopAt = Infinity

  constructor ({ rate, after, random }) {
    this.#rate = rate
    this.#after = after
    this.#random = random
    // Where in a span of five seconds the replicas begin is chance.
    this.#startedAt = random.between(0, 5000)
  }

  async run () {
    const clock = this.#clock
    clock.at(this.#startedAt, () => {
      const old = Array.from({ length: count }, () => this.#start())
      const loadedAt = clock.now() + this.#random.between(300, 1500)
      clock.at(loadedAt, () => this.#load())
      for (const [index, replica] of old.entries()) {
        const readyAt = loadedAt + warmUp + index * stagger + this.#random.between(...boot)
        clock.at(readyAt, () => this.#replace(replica))
      }
    })
    await clock.run()
    return {
      requests: this.requests,
      lost: this.lost,
      took: this.#gone.map(({ took }) => took),
      phases: this.#gone.map(({ report }) => report.phases[0]),
      evidence: this.#gone.map(({ report }) => report.traffic.evidence)
    }
  }

  #start () {
    const replica = new Replica(this.#clock, settingsOf(), () => {
      this.#gone.push({ report: replica.report, took: this.#clock.now() - replica.terminatedAt })
      if (this.#gone.length === count) this.#stopAt = this.#clock.now() + coolDown
    })
    this.#rotation.push(replica)
    if (this.#after === undefined) this.#check(replica, 0)
    return replica
  }

  #replace (replica) {
    this.#start()
    replica.terminate()
    if (this.#after !== undefined) this.#clock.at(this.#clock.now() + this.#after, () => this.#remove(replica))
  }

  #remove (replica) {
    this.#rotation = this.#rotation.filter(one => one !== replica)
  }

  #check (replica, failures) {
    this.#clock.at(this.#clock.now() + check.interval, () => {
      if (this.#clock.now() > this.#stopAt || !this.#rotation.includes(replica)) return
      const failed = replica.isOpen && replica.probe() ? 0 : failures + 1
      if (failed === check.failures) this.#remove(replica)
      else this.#check(replica, failed)
    })
  }

  /** Random, independent arrivals. */
  #load () {
    const next = () => {
      if (this.#clock.now() > this.#stopAt) return
      this.#arrive(choose(replicaUsers))
      this.#clock.at(this.#clock.now() + this.#random.exponential(1000 / this.#rate / this.#burst), next)
    }
    next()
  }

  /** What follows back to back is one arrival less elsewhere. */
  get #burst () {
    const weights = replicaUsers.reduce((sum, { weight }) => sum + weight, 0)
    const more = replicaUsers.reduce((sum, { weight, burst = 1 }) => sum + weight * (burst - 1) / 2, 0)
    return 1 / (1 + more / weights)
  }

  #arrive (profile) {
    const user = this.#take(profile) ?? { profile, socket: undefined, replica: undefined }
    const more = this.#random.below(profile.burst ?? 1)
    this.#send(user, more)
  }

  #take (profile) {
    const now = this.#clock.now()
    const users = this.#free.get(profile)
    const fresh = users.filter(user => now - user.freeSince < hangUp)
    for (const user of users) if (!fresh.includes(user)) user.socket?.destroy()
    this.#free.set(profile, fresh)
    const isFit = user => user.readyAt <= now
    const index = profile.think === undefined ? fresh.findLastIndex(isFit) : fresh.findIndex(isFit)
    return index === -1 ? undefined : fresh.splice(index, 1)[0]
  }

  #send (user, more) {
    this.requests++
    const { profile } = user
    if (user.socket?.destroyed !== false) {
      user.replica = this.#rotation[this.#turn++ % this.#rotation.length]
      user.socket = user.replica?.accept()
      if (user.socket === undefined) {
        this.lost++
        return
      }
    }
    const { socket, replica } = user
    const isAlone = profile.keepAlive === false
    const path = typeof profile.path === 'string' ? profile.path : profile.path()
    const exchange = replica.begin(socket, isAlone && this.#random.next() < 0.5)
    this.#clock.at(this.#clock.now() + durationOf(path, this.#random), () => {
      if (socket.destroyed) {
        this.lost++
        return
      }
      replica.finish(exchange)
      if (isAlone) socket.destroy()
      else if (more > 0) this.#send(user, more - 1)
      else this.#release(user)
    })
  }

  #release (user) {
    const { profile } = user
    user.freeSince = this.#clock.now()
    user.readyAt = user.freeSince + this.#random.next() * (profile.think ?? 0)
    this.#free.get(profile).push(user)
    // Who has nothing to do hangs up.
    this.#clock.at(user.freeSince + hangUp, () => {
      const users = this.#free.get(profile)
      if (this.#clock.now() - user.freeSince < hangUp || !users.includes(user)) return
      user.socket?.destroy()
      users.splice(users.indexOf(user), 1)
    })
  }
}
