import type * as Util from 'node:util'

/**
 * `node:util`. Since Node 22 an `import` of that module opens standard error, because its namespace reads every
 * export, and one of them loads what looks at its colours; from then on its pipe does not block, and a program that
 * writes to a descriptor of that pipe itself meets `EAGAIN`. This way nothing is read but what is used.
 */
const util: typeof Util = process.getBuiltinModule('node:util')

export const inspect: typeof Util.inspect = util.inspect
export const types: typeof Util.types = util.types
export const parseArgs: typeof Util.parseArgs = util.parseArgs
export const getSystemErrorName: typeof Util.getSystemErrorName = util.getSystemErrorName
