import { types } from './node-util.ts'
import { mostShown, shorten } from './text.ts'

/** Values of an object that are looked at, and characters of their names. */
const most = { looks: 1000, name: 1000 } as const
/** Names of properties whose values nobody is to read in a message, wherever they stand. */
const secret = /token|secret|password|passwd|credential|authorization|apikey/i
/** The text of a larger integer would be long, and take time to make. */
const longestInteger = 10n ** 100n

/** How a value is shown in a message: short, and never more than its first characters. */
export function show (value: unknown): string {
  try {
    return shorten(textOf(value))
  } catch {
    return kindOf(value)
  }
}

function textOf (value: unknown): string {
  if (typeof value === 'function') return `function ${functionName(value)}`
  if (typeof value === 'bigint' && (value > longestInteger || value < -longestInteger)) return 'a very large bigint'
  if (typeof value === 'symbol' || typeof value === 'bigint' || typeof value === 'number' || value === undefined) {
    return String(value)
  }
  const json = new JsonStart()
  return json.add('', value) ? json.text : typeof value
}

/** Somebody may have given it anything as a name. */
function functionName ({ name }: Function): string {
  return typeof name === 'string' && name !== '' ? name : '(anonymous)'
}

function kindOf (value: unknown): string {
  try {
    return Object.prototype.toString.call(value)
  } catch {
    return typeof value
  }
}

/**
 * The beginning of what `JSON.stringify` makes of a value, which looks at all of it, however large it is. This looks at
 * no more than it shows, and throws where that throws: at a circle, at a bigint, at a getter that does.
 */
class JsonStart {
  text = ''
  readonly #ancestors: object[] = []
  #looks = 0

  /** Adds a value behind `before`; false where it is none that JSON knows. */
  add (name: string, given: unknown, before = ''): boolean {
    this.#looks++
    const isSecret = name.length > most.name || secret.test(name)
    const value = isSecret ? '(not shown)' : plainOf(name, given)
    if (typeof value === 'bigint') throw new TypeError('a bigint is no JSON')
    if (value === undefined || typeof value === 'function' || typeof value === 'symbol') return false
    this.text += before
    if (typeof value === 'string') this.text += JSON.stringify(shorten(value))
    else if (typeof value !== 'object' || value === null) this.text += JSON.stringify(value)
    else this.#enter(value)
    return true
  }

  get #isFull (): boolean { return this.text.length > mostShown || this.#looks > most.looks }

  #enter (value: object): void {
    if (this.#ancestors.includes(value)) throw new TypeError('a circle is no JSON')
    this.#ancestors.push(value)
    if (Array.isArray(value) || ArrayBuffer.isView(value)) this.#addElements(value as unknown as ArrayLike<unknown>)
    else this.#addProperties(value)
    this.#ancestors.pop()
  }

  #addElements (list: ArrayLike<unknown>): void {
    this.text += '['
    for (let index = 0; index < list.length && !this.#isFull; index++) {
      const before = index === 0 ? '' : ','
      if (!this.add(String(index), list[index], before)) this.text += `${before}null`
    }
    this.text += ']'
  }

  #addProperties (value: object): void {
    this.text += '{'
    let isFirst = true
    for (const key of Object.keys(value)) {
      if (this.#isFull) break
      const before = `${isFirst ? '' : ','}${JSON.stringify(shorten(key))}:`
      if (this.add(key, value[key as keyof typeof value], before)) isFirst = false
    }
    this.text += '}'
  }
}

/** What JSON has in the place of a value. A Buffer would give all of its bytes. */
function plainOf (name: string, given: unknown): unknown {
  if (types.isBoxedPrimitive(given)) return given.valueOf()
  if (typeof given !== 'object' || given === null || ArrayBuffer.isView(given)) return given
  const { toJSON } = given as { toJSON?: unknown }
  return typeof toJSON === 'function' ? Reflect.apply(toJSON, given, [name]) : given
}
