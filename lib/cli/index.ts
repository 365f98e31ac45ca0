#!/usr/bin/env node
const args = process.argv.slice(2)
// A probe runs every few seconds, and loads nothing that it does not need.
const { start } = await (args[0] === 'probe' ? import('./probe/command.ts') : import('./start.ts'))
await start(args)
