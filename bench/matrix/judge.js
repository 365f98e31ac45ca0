// The one rule by which all cells are judged, and its words.

const signalNumbers = { SIGHUP: 1, SIGINT: 2, SIGTERM: 15 }

/** How the process ended, as the tables say it. */
function endOf ({ code, signal, isAlive, serves }) {
  if (isAlive) return serves ? 'serves on' : 'hangs'
  return signal ?? `exit ${code}`
}

function isGoodExit ({ code, signal, isAlive, serves, sent }, way, restarts) {
  // Below a program that starts it again, the service itself has ended.
  if (isAlive) return serves && (way.serves === true || (way.inside === true && restarts))
  if (way.exit === 'any') return true
  if (way.exit === 'failure') return code !== 0
  const number = signalNumbers[sent]
  return [0, number, 128 + number].includes(code) || (sent !== undefined && signal === sent)
}

/**
 * Judges what was seen.
 *
 * @param seen.outcomes of all that clients are owed, 'answered' or how each was lost
 * @param seen.lines what the service has noted
 * @param seen.hasLastLine whether the last line of the log has come
 * @param restarts whether the program starts a service that has ended again
 * @returns `good`, and what happened in `text`
 */
export function judge (way, seen, restarts = false) {
  const { outcomes, lines, hasLastLine, seconds } = seen
  const lost = outcomes.filter(outcome => outcome !== 'answered')
  const missing = [
    ...(way.lines ?? []).filter(line => !lines.includes(line)).map(line => line === 'closed' ? 'clean-up' : 'work'),
    ...way.log && !hasLastLine ? ['last log line'] : []
  ].filter(what => !(what === 'clean-up' && seen.serves && way.serves))
  const kinds = [...new Set(lost)].join(', ')
  const text = [
    ...lost.length > 0 ? [`${lost.length} of ${outcomes.length} lost (${kinds})`] : [],
    ...missing.length > 0 ? [`no ${missing.join(', no ')}`] : [],
    seen.isAlive ? endOf(seen) : `${endOf(seen)}, ${Math.round(seconds)} s`
  ].join('; ')
  return { good: lost.length === 0 && missing.length === 0 && isGoodExit(seen, way, restarts), text }
}
