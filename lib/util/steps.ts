/** Takes steps one after the other, whichever of them throw: a log whose destination is gone must not stop the rest. */
export function takeEach (...steps: Array<() => unknown>): void {
  for (const step of steps) {
    try {
      step()
    } catch {
      // What could say so may be what has failed.
    }
  }
}
