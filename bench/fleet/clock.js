// Virtual time: a queue of events, of which the earliest is next, and of several at one time the one that was put in
// first.

/** A clock that the classes of `lib` take for the machine's, and on which the model puts its own events. */
export class VirtualClock {
  #time = 0
  #count = 0
  /** A binary heap. */
  #events = []

  now () { return this.#time }

  epoch () { return this.#time }

  /** How many events wait. */
  get waiting () { return this.#events.length }

  /** A timer of the code under test: what it has promised settles before the next event. */
  after (delay, callback) {
    const event = this.#add(this.#time + Math.max(0, delay), callback, true)
    return () => { event.act = undefined }
  }

  /** An event of the model, which awaits nothing. */
  at (time, act) {
    this.#add(Math.max(this.#time, time), act, false)
  }

  /** Runs events until none is left. */
  async run () {
    await settled()
    for (let event = this.#take(); event !== undefined; event = this.#take()) {
      if (event.act === undefined) continue
      this.#time = event.time
      event.act()
      if (event.settles) await settled()
    }
  }

  #add (time, act, settles) {
    const event = { time, order: this.#count++, act, settles }
    const events = this.#events
    let index = events.push(event) - 1
    while (index > 0) {
      const parent = (index - 1) >> 1
      if (!isBefore(event, events[parent])) break
      events[index] = events[parent]
      index = parent
    }
    events[index] = event
    return event
  }

  #take () {
    const events = this.#events
    const first = events[0]
    const last = events.pop()
    if (events.length > 0) this.#sink(last)
    return first
  }

  #sink (event) {
    const events = this.#events
    let index = 0
    for (;;) {
      let child = 2 * index + 1
      if (child >= events.length) break
      if (child + 1 < events.length && isBefore(events[child + 1], events[child])) child++
      if (!isBefore(events[child], event)) break
      events[index] = events[child]
      index = child
    }
    events[index] = event
  }
}

function isBefore (one, other) {
  return one.time < other.time || (one.time === other.time && one.order < other.order)
}

/** All promises that settle without time have settled afterwards. */
function settled () {
  return new Promise(resolve => { setImmediate(resolve) })
}
