import type { Host } from './host.ts'

/**
 * Names the listeners of our signals that are not ours, as `SIGTERM: onSignal, anonymous (() => app.close())`.
 *
 * @param own our listeners, which are left out
 */
export function foreignListeners (host: Host, signals: Iterable<string>, own: ReadonlySet<unknown>): string[] {
  return [...signals].flatMap((signal) => {
    const names = host.events.listeners(signal).filter((listener) => !own.has(listener)).map(nameOf)
    return names.length === 0 ? [] : [`${signal}: ${names.join(', ')}`]
  })
}

/** Without a name, the beginning of its source is what a person can search for. */
function nameOf (listener: Function): string {
  if (listener.name !== '') return listener.name
  const source = Function.prototype.toString.call(listener).replaceAll(/\s+/g, ' ')
  return `anonymous (${source.length > 60 ? `${source.slice(0, 57)}...` : source})`
}
