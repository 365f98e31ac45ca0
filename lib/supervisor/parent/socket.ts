import { spawnSync } from 'node:child_process'
import { lstatSync, unlinkSync } from 'node:fs'
import { connect } from 'node:net'

/**
 * Removes the unix socket that a killed process has left behind: nobody answers on it, and it would
 * stand in the way of `listen`. One that somebody answers on, and whatever else is there, is left alone.
 */
export async function clearSocket (path: string): Promise<void> {
  if (!isSocket(path)) return
  const isDead = await new Promise<boolean>((resolve) => {
    const socket = connect(path, () => {
      socket.destroy()
      resolve(false)
    })
    socket.once('error', ({ code }: NodeJS.ErrnoException) => resolve(code === 'ECONNREFUSED'))
  })
  if (isDead) unlinkSync(path)
}

/** Milliseconds that the question whether anybody answers may take. */
const patience = 5000
/** What the program below exits with where nobody does. */
const refused = 7
const question = "require('node:net').connect(process.argv[1], () => process.exit(0)).on('error', ({ code }) => "
  + `process.exit(code === 'ECONNREFUSED' ? ${refused} : 1))`

/**
 * The same at once, for `node:cluster`, which makes a listener within one call. A connection is
 * known after a turn of the event loop only, so another process asks, for some 50 ms; that happens
 * where a socket stands in the way, and nowhere else.
 *
 * @returns whether there is room now
 */
export function clearSocketSync (path: string): boolean {
  if (!isSocket(path)) return false
  const { NODE_OPTIONS: _, ...env } = process.env
  const { status } = spawnSync(process.execPath, ['-e', question, path], { env, stdio: 'ignore', timeout: patience })
  if (status !== refused) return false
  unlinkSync(path)
  return true
}

function isSocket (path: string): boolean {
  return lstatSync(path, { throwIfNoEntry: false })?.isSocket() === true
}
