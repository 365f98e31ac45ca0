import type { Host } from './host.ts'
import { isOwn } from './shared.ts'
import type { Member } from './types.ts'

/** Events by which the plugin hears of a crash. */
const crashes = ['uncaughtException', 'unhandledRejection']

/**
 * Names the listeners that are not ours, as `SIGTERM: onSignal, anonymous (() => app.close())`.
 *
 * @param own listeners of ours that are not marked
 */
export function foreignListeners (host: Host, events: Iterable<string>, own: ReadonlySet<unknown>): string[] {
  return [...events].flatMap((event) => {
    const names = host.events.listeners(event).filter((listener) => !isOwn(listener) && !own.has(listener)).map(nameOf)
    return names.length === 0 ? [] : [`${event}: ${names.join(', ')}`]
  })
}

/** Who else listens for what ends a service, and what will become of it, in one line; undefined where nobody does. */
export function describeOthers (
  host: Host,
  { otherListeners, crash, exit }: Member,
  signals: Iterable<string>,
  own: ReadonlySet<unknown>
): { names: string, line: string } | undefined {
  const forSignals = foreignListeners(host, signals, own).join('; ')
  const forCrashes = crash && exit ? foreignListeners(host, crashes, own).join('; ') : ''
  const whatComes = otherListeners === 'after'
    ? 'they are called when the last request has been answered, before app.close()'
    : 'an app.close() there joins the shutdown, a process.exit there cuts it short'
  const lines = [
    ...forSignals === ''
      ? []
      : [`somebody else listens for the signals that shut this service down (${forSignals}): ${whatComes}`],
    ...forCrashes === ''
      ? []
      : [`somebody else listens for crashes (${forCrashes}): `
        + "a crash shuts this service down all the same, unless option 'crash' is false"]
  ]
  return lines.length === 0
    ? undefined
    : { names: [forSignals, forCrashes].filter(Boolean).join('; '), line: lines.join('; ') }
}

/** A listener's name. Without one, the beginning of its source is what a person can search for. */
export function nameOf (listener: Function): string {
  if (listener.name !== '') return listener.name
  const source = Function.prototype.toString.call(listener).replaceAll(/\s+/g, ' ')
  return `anonymous (${source.length > 60 ? `${source.slice(0, 57)}...` : source})`
}
