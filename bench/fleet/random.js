// Random numbers that a seed decides.

/** A generator (sfc32) with the distributions that the model draws from. */
export class Random {
  #a
  #b
  #c
  #counter = 1

  constructor (seed) {
    this.#a = seed >>> 0
    this.#b = (seed ^ 0x9E3779B9) >>> 0
    this.#c = Math.imul(seed + 1, 0x85EBCA6B) >>> 0
    for (let round = 0; round < 15; round++) this.next()
  }

  /** At least 0, less than 1. */
  next () {
    const sum = (this.#a + this.#b + this.#counter) | 0
    this.#counter = (this.#counter + 1) | 0
    this.#a = this.#b ^ (this.#b >>> 9)
    this.#b = (this.#c + (this.#c << 3)) | 0
    this.#c = (((this.#c << 21) | (this.#c >>> 11)) + sum) | 0
    return (sum >>> 0) / 4294967296
  }

  between (least, most) { return least + this.next() * (most - least) }

  /** An integer: at least 0, less than `bound`. */
  below (bound) { return Math.floor(this.next() * bound) }

  exponential (mean) { return -Math.log(1 - this.next()) * mean }
}

/** Runs `work` with `Math.random`, which classes of `lib` draw from, in place of one that the seed decides. */
export async function withRandom (random, work) {
  const { random: own } = Math
  Math.random = () => random.next()
  try {
    return await work()
  } finally {
    Math.random = own
  }
}
