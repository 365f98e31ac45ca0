/** A promise and what settles it. */
export interface Deferred<T> {
  readonly promise: Promise<T>
  readonly resolve: (value: T | PromiseLike<T>) => void
}

/** Makes a {@link Deferred}; `Promise.withResolvers` comes with Node 22. */
export function deferred<T> (): Deferred<T> {
  let resolve!: Deferred<T>['resolve']
  const promise = new Promise<T>((_resolve) => { resolve = _resolve })
  return { promise, resolve }
}
