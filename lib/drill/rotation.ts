/** Members in turn, while they come and go. */
export class Rotation<T> {
  readonly #members: T[] = []
  #next = 0

  /** Nothing happens where it is there already. */
  add (member: T): void {
    if (!this.#members.includes(member)) this.#members.push(member)
  }

  /** Whose turn it is stays the same, unless it was the removed one's. */
  remove (member: T): void {
    const index = this.#members.indexOf(member)
    if (index === -1) return
    this.#members.splice(index, 1)
    if (index < this.#next) this.#next--
  }

  /** Whether it is among them. */
  has (member: T): boolean {
    return this.#members.includes(member)
  }

  /** The one whose turn it is; undefined where there is none. */
  take (): T | undefined {
    if (this.#members.length === 0) return undefined
    if (this.#next >= this.#members.length) this.#next = 0
    return this.#members[this.#next++]
  }
}
