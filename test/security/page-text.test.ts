import type { Browser, Page } from 'playwright-core'
import t from 'tap'
import type { Test } from 'tap'
import { EventReader } from '../../lib/status/shown.ts'
import { launch, open, sees } from '../page/chromium.ts'
import { bind, build } from '../support/app.ts'

// Where Chromium has to be installed first.
t.setTimeout(400_000)
let browser: Browser
t.before(async () => { browser = await launch() })
t.teardown(async () => browser?.close())

/** Text that somebody's reader, parser or terminal takes for something else than text. */
const odd: Record<string, string> = {
  'a line separator': 'a\u2028b',
  'a paragraph separator': 'a\u2029b',
  'next line': 'a\u0085b',
  'an end of line': 'a\r\nb\rc\nd',
  'the end of an event': 'a\n\nevent: report\ndata: {}\n\nb',
  'a field of an event': 'a\ndata: {"phase":"terminated"}\nb',
  zero: 'a\0b',
  'half a character': 'a\ud800b',
  'a byte order mark': '\ufeffa',
  'the other direction': 'a\u202eb',
  'the end of a script': '</script><!--<script>',
  'a prototype': '__proto__',
  'a template': '${location}',
  'a very long one': 'x'.repeat(100_000)
}

async function whole (t: Test): Promise<{ app: ReturnType<typeof build>, url: string }> {
  const app = build({ admin: { authorize: () => true } })
  t.teardown(() => app.close())
  return { app, url: `http://127.0.0.1:${await bind(app)}/-/status` }
}

const isLive = (page: Page): Promise<string> => sees(page, '#link', /Live/)

// Scenario (Attacks, and failures of the plugin's own code): Odd text and nested answers: line separators in the live
// page, pages under odd prefixes, JSON that is nested deeply, passwords in addresses
t.test('the page lives on, whatever text is in the state', async (t) => {
  const { app, url } = await whole(t)
  const { page, problems } = await open(browser, url)
  await isLive(page)
  for (const [name, text] of Object.entries(odd)) {
    const hold = app.graceful.hold(`held ${text}`)
    const check = app.graceful.addCheck(`check of ${name}`, () => { throw new Error(text) }, { ttl: 0 })
    await app.graceful.ready()
    await sees(page, '#why', /held/)
    hold.release()
    check.remove()
    await app.graceful.ready()
    await sees(page, '#ready', /✓ ?Ready/)
    t.match(await page.locator('#link').innerText(), /Live/, name)
  }
  t.strictSame(problems, [])
  // And a page that is opened while all of it is there.
  for (const text of Object.values(odd)) app.graceful.hold(text)
  await page.reload()
  await isLive(page)
  await sees(page, '#why', /Held by/)
  t.strictSame(problems, [])
  await page.context().close()
})

// Scenario, too: Odd text and nested answers…
t.test('the stream holds no character that ends a line but its own', async (t) => {
  const { app, url } = await whole(t)
  for (const text of Object.values(odd)) app.graceful.hold(text)
  const abort = new AbortController()
  const answer = await fetch(`${url}/events`, { signal: abort.signal })
  let text = ''
  for await (const chunk of answer.body!.pipeThrough(new TextDecoderStream()) as unknown as AsyncIterable<string>) {
    text += chunk
    if (text.includes('data: ') && text.endsWith('\n\n')) break
  }
  abort.abort()
  t.notMatch(text, /[\u2028\u2029\0\r]/)
  t.match(text, /a\\u2028b/)
})

// Scenario, too: Odd text and nested answers…
t.test('the page reads what another version of the service writes as it is', async (t) => {
  const state = { holds: Object.values(odd) }
  const stream = `:\n\nretry: 1\n\nevent: status\ndata: ${JSON.stringify(state)}\n\n`
  const reader = new EventReader()
  const told = [stream.slice(0, 30), stream.slice(30, 40), stream.slice(40)].flatMap((piece) => reader.push(piece))
  t.strictSame(told.map(({ name, data }) => [name, JSON.parse(data)]), [['status', JSON.parse(JSON.stringify(state))]])
})

/** Whatever stands before the route, a proxy takes away. */
const rewriteUrl = ({ url = '' }): string => url.slice(url.lastIndexOf('/-/status')).replace(/\/$/, '')

// Scenario, too: Odd text and nested answers…
t.test('the page lives under any prefix that a proxy or a router lets through', async (t) => {
  const prefixes = [
    '/', '//', '//evil.example', '/shop', '/a//b', '/@', '/:8080', '/%2F%2Fevil.example', '/http://evil.example',
    '/a\\b'
  ]
  const ends = ['', '//evil.example'].flatMap((prefix) => ['/', '?x=1', '#x'].map((end) => `${prefix}/-/status${end}`))
  const app = build({ admin: { authorize: () => true } }, { rewriteUrl })
  const port = await bind(app)
  t.teardown(() => app.close())
  const { page, problems } = await open(browser, 'about:blank')
  for (const path of [...prefixes.map((prefix) => `${prefix}/-/status`), ...ends]) {
    // What differs in its fragment alone is not loaded again.
    await page.goto('about:blank')
    await page.goto(`http://127.0.0.1:${port}${path}`)
    await isLive(page)
    t.strictSame(problems, [], path)
  }
  await page.context().close()
})
