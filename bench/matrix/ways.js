// The ways to end a process. Each says what a good end is in one sentence, and what has to be true of it:
//   exit   'order': code 0, death by the very signal, its number, or 128 plus that; 'failure': any code but 0;
//          'any': the process has ended by itself before SIGKILL comes
//   serves whether to go on serving is as good an end
//   inside whether the end comes from inside: a program that starts the service again serves on then
//   lines  what the service has to have written about its clean-up; `closed` is the last act of its `onClose` hook
//   log    whether the last line of the log has to have come
// `act` plays the way on a service that is ready, and answers what clients are owed: a promise for each, of the word
// `answered` where they got it.
import { setTimeout as sleep } from 'node:timers/promises'
import { ask, keptConnection, silentConnection, webSocket } from './client.js'

/** Three requests that take two seconds each, in flight when this is over: a reply, a streamed one, and an upload. */
async function inFlight ({ port, noted }) {
  const requests = [
    ask(port, '/slow'),
    ask(port, '/chunks'),
    ask(port, '/upload', { method: 'POST', body: ['half of it, ', 'the other half'], pause: 2000 })
  ]
  await noted(/^request/, 3)
  return requests
}

const signalled = signal => async cell => {
  const requests = await inFlight(cell)
  cell.signal(signal)
  return requests
}

/** The service itself is made to end, in its own code. */
const told = path => async cell => {
  const requests = await inFlight(cell)
  cell.begin()
  await ask(cell.port, path)
  return requests
}

/** What still comes after the signal, while the balancer has not heard of it: ten times, the last one after 1.5 s. */
async function late (ask) {
  const requests = []
  const end = Date.now() + 1500
  await sleep(50)
  // On a machine that is late they are fewer.
  for (let count = 0; count < 10 && Date.now() < end; count++) {
    requests.push(...ask())
    await sleep(160)
  }
  return requests
}

const cleaned = { exit: 'order', lines: ['closed'] }

export const ways = [
  {
    title: 'SIGTERM, background work',
    good: 'work that a request has left behind is finished, the clean-up runs, its last log line is kept, exit 0',
    ...cleaned,
    lines: ['worked', 'closed'],
    log: true,
    env: { LOGGER: 'transport' },
    async act ({ port, signal }) {
      await ask(port, '/work')
      signal('SIGTERM')
      return []
    }
  },
  {
    title: 'SIGTERM, requests in flight',
    good: 'a slow reply, a streamed one and a half-sent upload are served to the last byte, exit 0',
    ...cleaned,
    act: signalled('SIGTERM')
  },
  {
    title: 'SIGTERM, idle connections',
    good: 'three kept connections, and one that was never used, hold nothing up: exit 0',
    ...cleaned,
    async act ({ port, signal }) {
      await Promise.all([1, 2, 3].map(() => ask(port, '/immediate', { agent: keptConnection() })))
      await silentConnection(port)
      signal('SIGTERM')
      return []
    }
  },
  {
    title: 'SIGTERM, new connections',
    good: 'ten requests on new connections, the last 1.5 s after the signal, are all served, exit 0',
    ...cleaned,
    async act ({ port, signal }) {
      signal('SIGTERM')
      return late(() => [ask(port, '/immediate')])
    }
  },
  {
    title: 'SIGTERM, kept connections',
    good: 'three kept connections go on asking for 1.5 s, and open others where they were closed: all served, exit 0',
    ...cleaned,
    async act ({ port, signal }) {
      const agents = [1, 2, 3].map(() => keptConnection())
      const all = () => agents.map(agent => ask(port, '/immediate', { agent }))
      await Promise.all(all())
      signal('SIGTERM')
      return late(all)
    }
  },
  {
    title: 'SIGTERM twice',
    good: 'the same signal from two senders within 50 ms is one signal: what is in flight is served, exit 0',
    ...cleaned,
    async act (cell) {
      const requests = await inFlight(cell)
      cell.signal('SIGTERM')
      await sleep(50)
      cell.signal('SIGTERM')
      return requests
    }
  },
  {
    title: 'SIGINT',
    good: 'what is in flight is served, exit 0',
    ...cleaned,
    act: signalled('SIGINT')
  },
  {
    title: 'SIGHUP',
    good: 'what is in flight is served; the process ends with 0, or takes no notice',
    ...cleaned,
    serves: true,
    act: signalled('SIGHUP')
  },
  {
    title: 'SIGTERM while booting',
    good: 'what the boot has opened is closed, exit 0',
    ...cleaned,
    env: { BOOT: '1500' },
    boots: true,
    async act ({ signal }) {
      await sleep(200)
      signal('SIGTERM')
      return []
    }
  },
  {
    title: 'a request that never ends',
    good: 'the process ends by itself, the other requests are served, the clean-up runs',
    ...cleaned,
    exit: 'any',
    async act (cell) {
      void ask(cell.port, '/never')
      await cell.noted(/^request \/never/, 1)
      return signalled('SIGTERM')({ ...cell, noted: (pattern, count) => cell.noted(pattern, count + 1) })
    }
  },
  {
    title: 'a clean-up that hangs',
    good: 'the process ends by itself, what is in flight is served',
    exit: 'any',
    env: { HANG: '1' },
    act: signalled('SIGTERM')
  },
  {
    title: 'an open event stream',
    good: 'the stream is ended as a complete reply, the clean-up runs, exit 0',
    ...cleaned,
    async act ({ port, noted, signal }) {
      const stream = ask(port, '/events', { last: '' })
      await noted(/^request/, 1)
      await sleep(300)
      signal('SIGTERM')
      return [stream]
    }
  },
  {
    title: 'an open WebSocket',
    good: 'the client gets a close frame, the clean-up runs, exit 0',
    ...cleaned,
    async act ({ port, signal }) {
      const { opened, ended } = webSocket(port, '/socket')
      await opened
      signal('SIGTERM')
      return [ended]
    }
  },
  {
    title: 'a blocked event loop',
    good: 'the process ends by itself after SIGTERM',
    exit: 'any',
    async act ({ port, signal }) {
      await ask(port, '/block')
      await sleep(200)
      signal('SIGTERM')
      return []
    }
  },
  {
    title: 'an uncaught exception',
    good: 'what is in flight is served, the clean-up runs, the exit code says that it failed',
    ...cleaned,
    exit: 'failure',
    inside: true,
    act: told('/throw')
  },
  {
    title: '`process.exit()`',
    good: 'what is in flight is served, the clean-up runs',
    ...cleaned,
    exit: 'any',
    inside: true,
    act: told('/exit')
  },
  {
    title: '`app.close()`',
    good: 'what is in flight is served, the clean-up runs, exit 0',
    ...cleaned,
    inside: true,
    act: told('/close')
  }
]
