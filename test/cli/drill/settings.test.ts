import { join } from 'node:path'
import t from 'tap'
import { parse } from '../../../lib/cli/drill/option.ts'
import type { DrillOption } from '../../../lib/cli/drill/option.ts'
import { optionGroups, readSettings } from '../../../lib/cli/drill/settings.ts'
import type { DrillSettings } from '../../../lib/cli/drill/settings.ts'
import { parseTime, typedTime } from '../../../lib/cli/usage.ts'

/** Their defaults are no values, or say the same in another way than a value would. */
const others = ['updates', 'grace', 'stagger', 'origin', 'connections', 'ready-path', 'status']
const options = optionGroups.flatMap(([title, own]) => ['Service', 'Update', 'Load'].includes(title) ? own : [])
const isValue = ({ flag, default: text }: DrillOption): boolean => text !== undefined && !others.includes(flag)
const dir = t.testdir({ 'service.js': '' })
const settings = (...args: string[]): DrillSettings => readSettings(parse([...args, join(dir, 'service.js')], options)!)

t.test('an option with the default of its help is as good as none', (t) => {
  const typed = options.filter(isValue).map(({ flag, default: text }) => `--${flag}=${text}`)
  t.ok(typed.length >= 13, typed.join(' '))
  const plain = settings()
  // A weight has to follow its path.
  for (const one of typed) t.same(settings(...one.startsWith('--weight') ? ['--path=/'] : [], one), plain, one)
  t.same(settings(...typed), plain, 'all of them')
  t.end()
})

t.test('a time is typed in the largest unit that it is whole in', (t) => {
  const times = { 0: '0s', 1: '1ms', 500: '500ms', 1000: '1s', 1500: '1500ms', 90_000: '90s', 300_000: '5m', 7_200_000: '2h' }
  for (const [milliseconds, text] of Object.entries(times)) {
    t.equal(typedTime(Number(milliseconds)), text)
    t.equal(parseTime(text), Number(milliseconds))
  }
  t.end()
})
