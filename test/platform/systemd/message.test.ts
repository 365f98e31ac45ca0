import { assert, property, string } from 'fast-check'
import t from 'tap'
import { isPassing, linesOf } from '../../../lib/platform/systemd/sender.ts'

// Scenario (systemd): A text of the application's own, with line breaks, control characters, half characters or of any
// length, is one line of a message that systemd reads
t.test('a message has a line for each variable, whatever stands in a text', async (t) => {
  for (const [name, status, line] of [
    ['plain', 'Ready', 'STATUS=Ready'],
    ['a line break', 'a\nMAINPID=1', 'STATUS=a MAINPID=1'],
    ['all kinds of them', 'a\r\nb\u2028c\u2029d\u0085e\vf', 'STATUS=a b c d e f'],
    ['control characters', '\u001b[31mred\0\u007f', 'STATUS=[31mred'],
    ['other scripts', 'Kasse schließt 🛒 ждёт', 'STATUS=Kasse schließt 🛒 ждёт'],
    ['nothing', '', 'STATUS=']
  ] as const) t.same(linesOf({ STATUS: status }), [line], name)
  t.same(linesOf({ RELOADING: 1, MONOTONIC_USEC: 12345678901234567n }), ['RELOADING=1', 'MONOTONIC_USEC=12345678901234567'])
  assert(property(string({ unit: 'binary', maxLength: 5000 }), (text) => {
    const bytes = Buffer.from(linesOf({ READY: 1, STATUS: text, EXTEND_TIMEOUT_USEC: 15_000_000, WATCHDOG: 1 }).join('\n'))
    const lines = bytes.toString().split('\n')
    return bytes.length < 4096 && lines.length === 4 && lines.every((line) => /^(?:READY|STATUS|EXTEND\w+|WATCHDOG)=/.test(line))
  }))
})

t.test('what a later message says anew may be told with that', async (t) => {
  for (const [message, expected] of [
    [{ READY: 1 }, false], [{ RELOADING: 1, MONOTONIC_USEC: 1n }, false], [{ STOPPING: 1, STATUS: 'x' }, false],
    [{ STATUS: 'x' }, true], [{ WATCHDOG: 1 }, true], [{ EXTEND_TIMEOUT_USEC: 1 }, true]
  ] as const) t.equal(isPassing(message), expected, Object.keys(message).join())
})
