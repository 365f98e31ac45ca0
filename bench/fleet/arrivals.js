// When new connections come: a Poisson process whose rate changes.

/** How much of the mean rate there is at the trough and at the peak of a day. */
const day = { least: 0.3, most: 1.7 }
/** Bursts: mean lengths in milliseconds, and the factors, which come to 1 on average. */
const burst = { on: 3000, off: 12_000, high: 4, low: 0.25 }

/**
 * Factors by which the mean rate is multiplied over time, by their names. Each call draws one realisation: a function
 * of milliseconds, which is asked with times that do not go down, and its greatest value.
 */
export const patterns = {
  steady: () => ({ factor: () => 1, most: 1 }),
  /** An update lasts for minutes: of a day it sees one moment. */
  diurnal (random) {
    const level = day.least + (day.most - day.least) * (1 - Math.cos(2 * Math.PI * random.next())) / 2
    return { factor: () => level, most: level }
  },
  /** On and off, each for an exponential time. */
  bursty (random) {
    let isOn = random.next() < burst.on / (burst.on + burst.off)
    let until = random.exponential(isOn ? burst.on : burst.off)
    const factor = (time) => {
      while (time >= until) {
        isOn = !isOn
        until += random.exponential(isOn ? burst.on : burst.off)
      }
      return isOn ? burst.high : burst.low
    }
    return { factor, most: burst.high }
  }
}

/**
 * Calls `act` at each arrival on a clock, by thinning a process of the greatest rate.
 *
 * @param perSecond the mean rate
 * @param isOver asked before each; the process ends where it answers true
 */
export function arrive (clock, random, { perSecond, pattern }, act, isOver) {
  if (perSecond <= 0) return
  const { factor, most } = pattern
  const gap = () => random.exponential(1000 / (perSecond * most))
  const next = () => {
    if (isOver()) return
    if (random.next() * most < factor(clock.now())) act()
    clock.at(clock.now() + gap(), next)
  }
  clock.at(clock.now() + gap(), next)
}
