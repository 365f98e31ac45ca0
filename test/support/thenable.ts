/** A promise of somebody's own: whatever has a `then`. */
export function thenable<T> (then: (resolve: (value: T) => void) => void): Promise<T> {
  // oxlint-disable-next-line unicorn/no-thenable -- it is the subject
  return { then } as unknown as Promise<T>
}
