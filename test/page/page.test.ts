import { createHash } from 'node:crypto'
import { spawn } from 'node:child_process'
import type { ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { createServer, request } from 'node:http'
import type { ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'
import type { Browser, Page } from 'playwright-core'
import t from 'tap'
import type { Test } from 'tap'
import type { GracefulOptions } from '../../lib/index.ts'
import { makePage } from '../../lib/page/page.ts'
import { wantsPage } from '../../lib/page/document.ts'
import { start as startTree } from '../supervisor/tree.ts'
import { bind, build, until } from '../support/app.ts'
import { Viewer } from './viewer.ts'
import { launch, open, overflow, sees, textOf, violations } from './chromium.ts'
import { inTime, Stopwatch } from '../support/stopwatch.ts'

const token = 'a-token-of-16-or-more'
const path = '/-/status'
// Where Chromium has to be installed first.
t.setTimeout(400_000)
let browser: Browser
t.before(async () => { browser = await launch() })
t.teardown(async () => browser?.close())

t.test('who gets the page', async (t) => {
  const rows: Array<[string | undefined, boolean]> = [
    ['text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8', true],
    ['text/html', true],
    ['TEXT/HTML; q=0.5', true],
    ['application/json, text/html;q=0.9', false],
    ['text/html;q=0', false],
    ['*/*', false],
    ['application/json', false],
    [undefined, false],
    ['', false]
  ]
  for (const [accept, expected] of rows) t.equal(wantsPage(accept), expected, `${accept}`)
})

t.test('the document and what goes with it', async (t) => {
  const app = build({ admin: { token } })
  const page = await app.inject({ url: path, headers: { accept: 'text/html' } })
  t.match(page.headers, {
    'content-type': 'text/html; charset=utf-8',
    'cache-control': 'no-store',
    'x-content-type-options': 'nosniff',
    'referrer-policy': 'no-referrer',
    vary: 'accept'
  })
  const hashOf = (pattern: RegExp): string =>
    `'sha256-${createHash('sha256').update(pattern.exec(page.body)?.[1] ?? '').digest('base64')}'`
  t.equal(
    page.headers['content-security-policy'],
    `default-src 'none'; style-src ${hashOf(/<style>([^<]*)<\/style>/)}; `
      + `script-src ${hashOf(/<script type="module">([^]*)<\/script>/)}; `
      + "connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
  )
  t.equal(page.body.split(/<(?:style|script)\b/).length, 4, 'a style, a script, and the state')
  t.notMatch(page.body, /<[^>]+ (?:on\w+|style|src|href)=/, 'no handler, no inline style, nothing from elsewhere')
  t.match((await app.inject(path)).headers, { 'content-type': 'application/json; charset=utf-8', vary: 'accept' })
  const head = await app.inject({ url: path, method: 'HEAD', headers: { accept: 'text/html' } })
  t.strictSame([head.body, head.headers['content-length']], ['', `${Buffer.byteLength(page.body)}`])
  const state = {
    at: 1,
    instance: 'x',
    access: 'whole',
    phase: 'running',
    number: 0,
    since: 1,
    ready: true,
    holds: ['</script><script>alert(1)</script><!--']
  } as const
  const body = Buffer.concat(makePage(state).body).toString()
  t.equal(body.split('</script').length, 3, 'data cannot end the element it stands in')
  t.match(body, 'Phase running since 1970-01-01T00:00:00.001Z, ready.')
  await app.close()
})

interface Process { child: ChildProcess, port: number, watchdog: number, ended: Promise<unknown> }

async function start (t: Test, given: { port?: number, isHeld?: boolean, options?: GracefulOptions }): Promise<Process> {
  const { NODE_OPTIONS: _loaders, ...env } = process.env
  const child = spawn(
    process.execPath,
    [fileURLToPath(new URL('fixtures/service.js', import.meta.url)), JSON.stringify(given)],
    { env, stdio: ['ignore', 'pipe', 'inherit'] }
  )
  t.teardown(() => { child.kill('SIGKILL') })
  const ended = once(child, 'exit')
  const [line] = await once(createInterface({ input: child.stdout }), 'line') as [string]
  const [port = 0, , watchdog = 0] = [...line.matchAll(/\d+/g)].map(Number)
  return { child, port, watchdog, ended }
}

/** Asks, and says how it went. */
async function ask (port: number, url: string): Promise<number | string> {
  return new Promise((resolve) => {
    const sent = request({ port, host: '127.0.0.1', path: url, agent: false }, (answer) => {
      answer.resume().on('end', () => resolve(answer.statusCode ?? 0)).on('error', () => resolve('cut'))
    })
    sent.on('error', (error: NodeJS.ErrnoException) => resolve(error.code ?? 'cut')).end()
  })
}

t.test('a whole shutdown under load, watched to its report', async (t) => {
  const service = await start(t, { isHeld: true, options: { announce: { min: 1500 } } })
  const url = `http://127.0.0.1:${service.port}${path}`
  const { page, problems } = await open(browser, url, { viewport: { width: 1280, height: 800 } })
  const answers: Array<Promise<number | string>> = []
  const load = setInterval(() => { answers.push(ask(service.port, '/orders/7')) }, 20)
  t.teardown(() => clearInterval(load))
  const held = Array.from({ length: 30 }, (_, index) => ask(service.port, `/held/${index}`))

  t.match(await sees(page, '#requests', /and 1\d more/), /GET \/held\/:id/)
  t.match(await textOf(page, 'h1'), 'Running')
  t.match(await page.title(), /^Running · 3\d in flight/)
  t.match(await textOf(page, '#link'), 'Live')
  t.match(await textOf(page, '#checks'), /database readiness/)
  t.equal(await page.locator('#requests tbody tr').count(), 20)
  t.equal(await page.locator('[aria-current=step]').innerText().then((text) => text.split('\n')[1]), 'Running')
  for (const [colorScheme, width] of [
    ['light', 320], ['dark', 320], ['light', 768], ['dark', 768], ['light', 1280], ['dark', 1280]
  ] as const) {
    await page.emulateMedia({ colorScheme })
    await page.setViewportSize({ width, height: 800 })
    t.same(await violations(page), [], `${colorScheme}, ${width} px`)
    t.equal(await overflow(page), 0, `${width} px: nothing to scroll sideways`)
  }

  await page.evaluate(
    "said = []; new MutationObserver(() => said.push(document.getElementById('said').textContent))"
      + ".observe(document.getElementById('said'), { childList: true })"
  )
  service.child.kill('SIGTERM')
  await sees(page, 'h1', /Announcing/)
  t.match(await textOf(page, '.step.now'), /Now, for .* 1.5 s to 18 s /)
  await sees(page, '.waits', /traffic the balancer still sends: last new connection \d+ ms ago/)
  t.match(await textOf(page, '#ready'), 'Not ready')
  t.match(await textOf(page, '#why'), 'Asked for by SIGTERM')
  clearInterval(load)
  await sees(page, 'h1', /Draining/)
  await sees(page, '.waits', /traffic \d+ requests in flight/)
  t.match(await sees(page, '.waits', /outbox/), /outbox \d messages unsent/)
  t.match(await textOf(page, '#timeline'), /Announcing Over, took [\d.]+ s/)
  await page.setViewportSize({ width: 320, height: 800 })
  t.same(await violations(page), [], 'dark, 320 px, draining')
  t.equal(await overflow(page), 0)
  service.child.kill('SIGUSR2')

  await sees(page, '#report', /Clean/)
  t.match(await textOf(page, '#report'), /Clean shutdown by SIGTERM in .* nothing cut requests cut 0 .* exit code 0/)
  t.match(await sees(page, '#notice', /stream ended/), /with the process. This is its last state./)
  t.match(await page.title(), /^Ended, clean/)
  t.match(await textOf(page, '#link'), /Ended · next try in/)
  t.strictSame(await service.ended, [0, null])
  t.strictSame([...new Set(await Promise.all(held))], [200], 'nothing was lost')
  t.same((await Promise.all(answers)).filter((answer) => answer !== 200 && answer !== 'ECONNREFUSED'), [])
  const said = await page.evaluate('said') as string[]
  t.match(said[0], 'Phase announcing, not ready.')
  t.ok(said.includes('Phase draining, not ready.') && said.includes('The shutdown is over: clean.'), said.join(' '))
  t.ok(said.length <= 8, 'numbers that tick are not said')
  await page.emulateMedia({ colorScheme: 'light' })
  t.same(await violations(page), [], 'light, 320 px, report')

  await start(t, { port: service.port })
  t.match(await sees(page, '#notice', /Another process/), /The one before: ✓ ?Clean, shutdown by SIGTERM/)
  t.match(await textOf(page, 'h1'), 'Running')
  t.equal(await page.locator('#report').isVisible(), false)
  t.same(problems, [])
  await page.context().close()
})

t.test('a connection that is lost: the last state stays, and is said to be the last', async (t) => {
  const service = await start(t, {})
  const { page, problems } = await open(browser, `http://127.0.0.1:${service.port}${path}`, { reducedMotion: 'reduce' })
  void ask(service.port, '/orders/7?ms=20000')
  await sees(page, '#requests', /\/orders\/:id/)
  service.child.kill('SIGKILL')
  t.match(
    await sees(page, '#notice', /Connection lost/),
    /Connection lost at .* in phase running. This is the last known state/
  )
  t.match(await textOf(page, '#link'), /Connection lost · next try in/)
  const age = await textOf(page, '#requests .age')
  await page.waitForTimeout(600)
  t.equal(await textOf(page, '#requests .age'), age, 'nothing grows older any more')
  t.same(await violations(page), [])
  t.same(problems, [])
  await page.context().close()
})

t.test('what is not ours stays text, and an injected script does not run', async (t) => {
  const markup = '<img src=x onerror=document.title="hit"></script><script>document.title="hit"</script>'
  const app = build({ admin: { authorize: () => true } })
  const waiting: Array<() => void> = []
  let stalls = true
  app.get(`/${markup.replaceAll('/', '')}`, async () => {
    await new Promise<void>((resolve) => { waiting.push(resolve) })
  })
  await app.ready()
  app.graceful.addCheck('image', () => { throw new Error(markup) }, { ttl: 0, kinds: ['readiness'] })
  app.graceful.stall(`participant ${markup}`, () => stalls && markup)
  app.graceful.hold(`hold ${markup}`)
  const port = await bind(app)
  t.teardown(async () => { stalls = false; for (const release of waiting) release(); await app.close() })
  void ask(port, `/${encodeURI(markup.replaceAll('/', ''))}`)
  await ask(port, '/readyz')
  const { page, problems } = await open(browser, `http://127.0.0.1:${port}${path}`)
  t.ok((await sees(page, '#requests', /onerror/)).includes('<img src=x onerror=document.title="hit">'))
  t.ok((await sees(page, '#checks', /onerror/)).includes(markup))
  t.ok((await textOf(page, '#participants')).includes(`participant ${markup}`))
  t.ok((await textOf(page, '#participants')).includes(`hold ${markup}`))
  t.equal(await page.locator('img').count(), 0)
  t.same(problems, [])
  t.match(await page.title(), /^Running/)
  // By hand, past all that the page does itself: it is the policy that stops it.
  await page.evaluate(
    "const made = document.createElement('script'); made.textContent = 'document.title = \"hit\"'; "
      + "document.body.append(made)"
  )
  await page.evaluate(
    "document.body.insertAdjacentHTML('beforeend', '<p onclick=\"document.title = 1\" id=bait>x</p>'); "
      + "document.getElementById('bait').click()"
  )
  await page.waitForTimeout(100)
  t.match(await page.title(), /^Running/)
  t.ok(
    problems.length >= 2 && problems.every((problem) => problem.includes('Content Security Policy')),
    problems.join('\n')
  )
  await page.context().close()
})

/** Counts how often the time line speaks of a drain by hand. */
async function noteByHand (page: Page): Promise<void> {
  await page.evaluate(
    "byHand = 0; new MutationObserver(() => { "
      + "if (document.getElementById('timeline').textContent.includes('by hand')) byHand++ "
      + "}).observe(document.getElementById('timeline'), { childList: true })"
  )
}

t.test('who is not authorised sees the phase alone, until a token is given', async (t) => {
  const app = build({ admin: { token } })
  await app.ready()
  app.graceful.addCheck('inner-matter', () => true)
  app.graceful.hold('inner-matter')
  const port = await bind(app)
  const { page, problems } = await open(
    browser,
    `http://127.0.0.1:${port}${path}`,
    { viewport: { width: 320, height: 700 } }
  )
  await sees(page, '#link', /Live/)
  t.match(await textOf(page, 'body'), /Phase 0 of 4 Running/)
  t.notMatch(await page.content(), 'inner-matter')
  t.equal(await page.locator('#requests-card, #checks-card, #participants-card').filter({ visible: true }).count(), 0)
  t.same(await violations(page), [])
  t.equal(await overflow(page), 0)
  const field = page.getByRole('textbox')
  await field.fill('a-wrong-token-of-some-length')
  await field.press('Enter')
  await sees(page, '#unlock-said', /This token was not accepted/)
  await field.fill(token)
  await page.getByRole('button', { name: 'Show all' }).click()
  t.match(await sees(page, '#participants', /inner-matter/), 'holds readiness')
  t.equal(await page.locator('#unlock-panel').isVisible(), false)
  t.equal(page.url(), `http://127.0.0.1:${port}${path}`)
  t.equal(await page.evaluate('localStorage.length + sessionStorage.length + document.cookie.length'), 0)
  t.notMatch(await page.content(), token)
  const guest = await open(browser, `http://127.0.0.1:${port}${path}`)
  await sees(guest.page, '#link', /Live/)
  await noteByHand(guest.page)
  const ending = app.close()
  await sees(page, '#report', /Clean/)
  t.match(await textOf(page, '#timeline'), /Announcing Skipped .*Draining Over, took/)
  t.match(await sees(guest.page, '#notice', /stream ended/), 'This is its last state.')
  t.match(
    await textOf(guest.page, '#timeline'),
    /Announcing Over .*Draining Over/,
    'whoever does not know, does not say'
  )
  t.strictSame(await guest.page.evaluate('byHand'), 0)
  t.equal(await guest.page.locator('#report').isVisible(), false)
  await guest.page.context().close()
  await ending
  t.same(problems, [])
  await page.context().close()
})

/** What answers the page's stream; `turn` counts the tries. */
type Streams = (answer: ServerResponse, turn: number, authorization: string | undefined) => void

/** The page of a state that the test makes up, with a stream that the test answers. */
async function host (t: Test, state: object, streams: Streams): Promise<{ url: string, turns: () => number }> {
  let turns = 0
  const server = createServer(({ url, headers: { authorization } }, answer) => {
    if (url === `${path}/events`) return streams(answer, turns++, authorization)
    const { headers, body } = makePage({ ...base, ...state })
    answer.writeHead(url === path ? 200 : 404, { ...headers, 'content-type': 'text/html; charset=utf-8' })
      .end(url === path ? Buffer.concat(body) : '')
  })
  await new Promise<void>((resolve) => { server.listen(0, '127.0.0.1', resolve) })
  t.teardown(() => { server.closeAllConnections(); server.close() })
  return { url: `http://127.0.0.1:${(server.address() as AddressInfo).port}${path}`, turns: () => turns }
}

const base = {
  at: Date.now(), instance: 'x', access: 'whole', phase: 'running', number: 0, since: Date.now(), ready: true
} as const

t.test('a refusal that says when to come back, and one that says it as a date', async (t) => {
  const date = await host(t, {}, (answer) => {
    answer.writeHead(503, { 'retry-after': 'Wed, 21 Oct 2099 07:28:00 GMT' }).end()
  })
  const long = await host(t, {}, (answer) => { answer.writeHead(503, { 'retry-after': '9999999' }).end() })
  const { page } = await open(browser, date.url)
  t.notMatch(await sees(page, '#link', /next try in/), 'NaN')
  const watch = new Stopwatch()
  await page.waitForTimeout(1200)
  const most = 3 + watch.stop().late / 400
  t.ok(date.turns() <= most, `${date.turns()} tries in a second, at most ${most} where this process is late`)
  await page.goto(long.url)
  t.match(await sees(page, '#link', /next try in/), /next try in 1 min$/)
  await page.context().close()
})

t.test('live is said with the first event, and a token that no header can carry is refused at once', async (t) => {
  const streams: ServerResponse[] = []
  const tokens: Array<string | undefined> = []
  const { url } = await host(t, { access: 'token' }, (answer, _turn, authorization) => {
    tokens.push(authorization)
    answer.writeHead(200, { 'content-type': 'text/event-stream' })
    answer.flushHeaders()
    streams.push(answer)
  })
  const { page, problems } = await open(browser, url)
  await until(() => streams.length === 1)
  await page.waitForTimeout(300)
  t.notMatch(await textOf(page, '#link'), 'Live', 'the head alone is not it')
  streams[0]?.write(`event: status\ndata: ${JSON.stringify({ ...base, access: 'token' })}\n\n`)
  await sees(page, '#link', /Live/)
  for (const odd of ['a-token-with-a-\u20ac', 'a token with spaces', 't\u00f6ken']) {
    await page.getByRole('textbox').fill(odd)
    await page.getByRole('textbox').press('Enter')
    await sees(page, '#unlock-said', /This is not a token/)
    // The word may be that of the one before: only when the field is empty has this one been looked at.
    await page.waitForFunction("document.getElementById('token').value === ''")
  }
  t.strictSame(tokens, [undefined], 'it was not sent')
  await page.getByRole('textbox').fill(token)
  await page.getByRole('textbox').press('Enter')
  await until(() => streams.length > 1)
  streams.at(-1)?.write(`event: status\ndata: ${JSON.stringify(base)}\n\n`)
  await page.locator('#unlock-panel').waitFor({ state: 'hidden' })
  t.strictSame(tokens, [undefined, `Bearer ${token}`], 'asked for once, whatever the browser has in its cache')
  t.same(problems, [])
  await page.context().close()
})

t.test('lists with a bound, the process by its name, and why it is not ready', async (t) => {
  const work = [
    ...Array.from({ length: 2500 }, () => 'confirmation of order'),
    ...Array.from({ length: 40 }, (_, index) => `invoice ${index}`)
  ]
  const participants = [
    ...Array.from({ length: 30 }, (_, index) => ({ name: `idle ${index}` })),
    { name: 'outbox', reason: '3 messages unsent, to several recipients' },
    ...work.map((name) => ({ name, reason: 'not yet' }))
  ]
  const shutdown = { kind: 'signal', reason: 'SIGTERM', startedAt: Date.now(), floor: 0, cap: undefined, phases: [] }
  const checks = [
    { name: 'database', kinds: ['readiness'], state: 'failing', age: 10, duration: 1, error: 'no connection' },
    { name: 'disk', kinds: ['liveness'], state: 'passing', age: 10, duration: 1 }
  ]
  const budget = {
    gracePeriod: 30_000,
    preStop: 0,
    reserve: 2000,
    close: 5000,
    closing: 500,
    announce: { min: 5000, max: 15_500, quiet: 1000, blind: 15_000 }
  }
  const cut = {
    phase: 'announcing',
    duration: 10_000,
    endedBy: 'cap',
    stalledBy: [{ name: 'registry', reason: 'not yet' }]
  }
  const states = [
    {
      phase: 'draining', number: 3, ready: false, participants, work, holds: ['import'], checks, budget,
      shutdown: { ...shutdown, phases: [cut] }, process: { hostname: 'web-<7>', pid: 4711 }
    },
    {
      ready: false, started: true, holds: ['import', 'import'], checks
    },
    {
      phase: 'announcing', number: 1, ready: false, shutdown: { ...shutdown, floor: 60_000, cap: 90_000 }
    },
    {
      access: 'public'
    }
  ]
  let index = 0
  const { url } = await host(t, {}, (answer) => {
    answer.writeHead(200).write(`event: status\ndata: ${JSON.stringify({ ...base, ...states[index] })}\n\n`)
  })
  const { page, problems } = await open(browser, url, { viewport: { width: 320, height: 800 } })
  t.match(
    await sees(page, '.waits', /more/),
    /Waits for outbox 3 messages unsent, to several recipients confirmation of order not yet ×2500 .*and 32 more$/
  )
  t.match(
    await textOf(page, '[data-phase=announcing]'),
    /Over, took 10 s, cut off at its cap still waiting then: registry/
  )
  t.equal(
    await page.evaluate("document.querySelector('[data-phase=announcing] .fill').style.width"),
    '100%',
    'as the word says, whatever cap the budget has'
  )
  t.notMatch(
    await textOf(page, '#timeline'),
    'by hand',
    'whoever does not know the cap does not say that there is none'
  )
  t.match(await textOf(page, '#participants'), /confirmation of order ×2500 ?↻ ?background work.*and \d+ more$/)
  t.ok(await page.locator('#participants tbody tr').count() <= 30)
  t.ok(await page.evaluate<number>('document.documentElement.scrollHeight') < 8000)
  t.match(await page.title(), 'Draining · web-<7>, pid 4711 · Status')
  t.match(await textOf(page, '#versions'), 'web-<7>, pid 4711')
  t.equal(await overflow(page), 0)
  const heights = await page.evaluate(
    "[...document.querySelectorAll('#checks .sign')].map((sign) => sign.getClientRects().length)"
  )
  t.strictSame(heights, [1, 1], 'no word is broken')
  const names = await page.evaluate(
    "[...document.querySelectorAll('#participants th[scope=row]')]"
      + ".filter(({ textContent }) => textContent === 'outbox')"
      + ".map((cell) => { const range = document.createRange(); range.selectNodeContents(cell); "
      + "return range.getClientRects().length })"
  )
  t.strictSame(names, [1], 'nor a name beside a long reason')
  t.same(await violations(page), [])
  index++
  await page.goto(url)
  t.match(await sees(page, '#why', /Held/), 'Held by: import ×2. Health checks: database (failing).')
  t.match(await textOf(page, '#meaning'), 'The process runs, but asks for no traffic.')
  t.notMatch(await textOf(page, 'body'), 'In service.')
  index++
  await page.goto(url)
  t.match(await sees(page, '.waits', /./), /Waits for its shortest time, 1 min$/)
  index++
  await page.goto(url)
  t.match(await sees(page, '#closed', /Only/), 'admin.token')
  t.notMatch(await page.title(), 'pid')
  t.same(problems, [])
  await page.context().close()
})

t.test('a supervisor: the figures of its children, added up', async (t) => {
  const connections = { open: 7, busy: 3, upgraded: 1, sessions: 1, idle: 2 }
  const probe = { prober: 'kube-probe', answers: 2, first: 900, last: 5900 }
  const traffic = {
    rate: 2.5,
    arrivals: 4,
    evidence: 'observed',
    lastArrival: 1200,
    lateArrivals: 2,
    lateSources: [{ address: '10.0.0.9', count: 2 }],
    probes: [probe]
  }
  const watchdog = {
    state: 'watching',
    blockedCount: 1,
    blockedTime: 2100,
    lastBlocked: { duration: 2100, at: Date.now() - 9000, blockedIn: 'older (a.js:1:1)' }
  }
  const draining = {
    phase: 'draining', number: 3, since: Date.now(), ready: false, requests: [], participants: [], checks: [],
    holds: [], work: [], connections, traffic, watchdog
  }
  const child = {
    pid: 41, phase: 'draining', ready: false, responding: true, leaving: true, startedAt: Date.now(), restarts: 0,
    inFlight: 3, connections: 7
  }
  const other = {
    ...draining,
    connections: { open: 5, busy: 5, upgraded: 0, sessions: 0, idle: 0 },
    traffic: {
      ...traffic,
      rate: 1,
      lastArrival: 3400,
      lateSources: [{ address: '10.0.0.7', count: 1 }, { address: '10.0.0.9', count: 1 }],
      probes: [{ ...probe, first: 400 }]
    },
    watchdog: {
      ...watchdog,
      blockedTime: 3000,
      lastBlocked: { ...watchdog.lastBlocked, at: Date.now(), duration: 3000, blockedIn: undefined }
    }
  }
  // Two applications of one process have one watchdog.
  const twice = {
    ...draining,
    connections: { open: 0, busy: 0, upgraded: 0, sessions: 0, idle: 0 },
    traffic: { ...traffic, rate: 0, arrivals: 0, lateArrivals: 0, lastArrival: undefined, lateSources: [], probes: [] }
  }
  const silent = {
    ...child, child: 3, responding: false, inFlight: undefined, connections: undefined, applications: undefined
  }
  const report = {
    verdict: 'clean',
    exitCode: 0,
    phases: [],
    cut: { requests: [], streams: 0, upgraded: 0, waiting: [] },
    traffic: {
      ...traffic, rateBefore: 0.5, arrivals: 1, evidence: 'absent', lateArrivals: 0, lateSources: [], probes: []
    }
  }
  const whole = {
    phase: 'draining', number: 3, since: Date.now(), ready: false, workers: 4, minReady: 1, readyChildren: 0,
    reloading: false
  }
  const children = [
    { ...child, child: 1, applications: [draining, twice] },
    { ...child, child: 2, inFlight: 5, connections: 5, applications: [other] }
  ]
  const ended = [
    { child: 4, pid: 44, exitCode: 0, signal: null, verdict: 'clean', summary: 'clean', cutRequests: 0, report }
  ]
  const states: object[] = [
    {
      ...whole, children: [...children, silent], ended
    },
    // A reload: the one that leaves has given its traffic to its successor.
    {
      ...whole, phase: 'running', number: 0, ready: true,
      children: [
        { ...child, child: 1, applications: [draining] },
        { ...child, child: 1, applications: [{ ...other, phase: 'running', number: 0, watchdog: undefined }] }
      ],
      ended: []
    },
    {
      ...whole, children: [silent], ended: []
    },
    {
      ...whole, phase: 'running', number: 0, children: [...children, { ...silent, responding: true }], ended: []
    },
    {
      ...whole, phase: 'terminated', number: 4, children: [], ended, exitCode: 0
    },
    {
      ...whole, phase: 'terminated', number: 4, children: [],
      ended: [...ended, { ...ended[0], child: 5, verdict: 'unfinished', report: undefined }], exitCode: 1
    }
  ]
  let index = 0
  const { url } = await host(t, {}, (answer) => {
    answer.writeHead(200).write(`event: status\ndata: ${JSON.stringify({ ...base, ...states[index] })}\n\n`)
  })
  const { page, problems } = await open(browser, url, { viewport: { width: 320, height: 800 } })
  t.match(
    await sees(page, '#connections', /with a request/),
    /with a request 8 idle 2 upgraded 1 HTTP\/2 sessions 1 without child 3$/
  )
  t.equal(await textOf(page, '#connections-count'), '12')
  t.match(await textOf(page, '#figures'), /in flight 8|8 in flight/)
  t.match(
    await textOf(page, '#traffic'),
    /before 4 a second .*announcement 9 new connections .*3\.4 s after .*stopped \? ?not observed .*! ?4, from 10\.0\.0\.9 \(3\), 10\.0\.0\.7 \(1\) .*kube-probe \(4 answers, the first after 400 ms\)/
  )
  t.match(
    await textOf(page, '#loop'),
    /Event loops ✕ ?no answer from child 3 Watchdogs ✓ ?watching Blocked 2 times, 5\.1 s in total Last blocked 3 s at .*, in child 2: an unknown place/
  )
  t.same(await violations(page), [])
  t.equal(await overflow(page), 0)
  index++
  await page.goto(url)
  t.match(await sees(page, '#traffic', /New/), /^New connections 1 a second Late connections/)
  t.match(await textOf(page, '#loop'), /Event loops ✓ ?all answer .*Blocked 1 time,/)
  index++
  await page.goto(url)
  t.match(await sees(page, '#loop', /no answer/), /^Event loops ✕ ?no answer from child 3$/)
  t.equal(
    await page.locator('#connections-card, #traffic-card').filter({ visible: true }).count(),
    0,
    'what nobody tells is not 0'
  )
  t.notMatch(await textOf(page, '#figures'), /in flight|connections/)
  index++
  await page.goto(url)
  t.match(await sees(page, '#loop', /yet/), /^Event loops … ?nothing yet from child 3 /, 'one that is late, or starts')
  index++
  await page.goto(url)
  t.match(await sees(page, '#traffic', /New/), /0\.5 a second .*1 new connection /, 'that of the ended stays')
  t.equal(await page.locator('#connections-card, #loop-card').filter({ visible: true }).count(), 0)
  t.match(await textOf(page, '#ready'), /✓ ?Clean/)
  index++
  await page.goto(url)
  t.match(await sees(page, '#ready', /Failed/), /✕/)
  t.same(problems, [])
  await page.context().close()
})

t.test('without JavaScript', async (t) => {
  const app = build({ admin: false })
  const shown = build({ admin: {} })
  const port = await bind(shown)
  t.teardown(async () => Promise.all([app.close(), shown.close()]))
  const { page } = await open(browser, `http://127.0.0.1:${port}${path}`, { javaScriptEnabled: false })
  t.match(
    await textOf(page, 'body'),
    /Running Ready .*Phase running since .*, ready\. This page follows the service with JavaScript; without it, reload\./
  )
  t.equal((await app.inject({ url: path, headers: { accept: 'text/html' } })).statusCode, 404)
  await page.context().close()
})

t.test("on the watchdog's port, while the event loop hangs, and to the report", async (t) => {
  const service = await start(t, {
    options: { admin: { token }, announce: { min: 500 }, watchdog: { port: 0, host: '127.0.0.1', blocked: 1000 } }
  })
  const { page, problems } = await open(browser, `http://127.0.0.1:${service.watchdog}${path}`, {
    viewport: { width: 768, height: 900 },
    colorScheme: 'dark'
  })
  await page.getByRole('textbox').fill(token)
  await page.getByRole('button', { name: 'Show all' }).click()
  t.match(await sees(page, '#loop', /watching/), /Event loop ✓ ?turns/)
  const watch = new Stopwatch(service.child.pid)
  const sent = Date.now()
  const slow = ask(service.port, '/orders/7?ms=7000')
  await sees(page, '#requests', /\/orders\/:id/)
  const hung = ask(service.port, '/spin')
  t.match(
    await sees(page, '#alarm', /The function that holds it/),
    /The event loop is blocked It has not turned for \d+\.\d s\. The function that holds it: spinAround \(.*service\.js:\d+:\d+\)/
  )
  t.match(await textOf(page, '#alarm'), /The watchdog tells this\. What else is here it was told before/)
  t.match(await textOf(page, '#ready'), 'Not ready')
  const begun = Number(await page.locator('#requests .age [data-from]').first().getAttribute('data-from'))
  t.match(await textOf(page, '#requests'), /\/orders\/:id/, 'what was known last stays')
  inTime(t, { time: begun - sent, late: watch.stop().late }, [-150, 1000], 'and grows older: its request came at')
  t.match(await page.title(), /^Blocked · Running/)
  const before = Number.parseFloat(await textOf(page, '#alarm .number'))
  await page.waitForTimeout(500)
  t.ok(Number.parseFloat(await textOf(page, '#alarm .number')) > before, 'the time goes on')
  t.match(await textOf(page, '#link'), 'Live')
  t.same(await violations(page), [])
  t.equal(await overflow(page), 0)
  t.equal(await hung, 200)
  t.match(await sees(page, '#loop', /Last blocked/), /Blocked 1 time, .* in total .* in spinAround/)
  t.equal(await page.locator('#alarm').isVisible(), false)
  const others = Array.from({ length: 19 }, () => Viewer.open(service.watchdog, { authorization: `Bearer ${token}` }))
  await until(() => others.every(({ names }) => names[0] === 'status'))
  const refused = Viewer.open(service.watchdog)
  await until(() => refused.ended)
  t.match([refused.status, refused.headers['retry-after'], refused.body], [503, '5', /^20 viewers are watching/])
  service.child.kill('SIGTERM')
  await sees(page, '#report', /Clean/)
  t.match(await sees(page, '#notice', /stream ended/), 'with the process')
  t.strictSame(await service.ended, [0, null])
  await until(() => others.every(({ ended }) => ended))
  t.ok(others.every(({ names, complete }) => names.at(-1) === 'report' && complete), 'everybody was told of the end')
  t.equal(await slow, 200)
  t.same(problems, [])
  await page.context().close()
})

t.test('under a supervisor: what each child waits for, and how it ended', async (t) => {
  const tree = startTree(t, [
    'run', '--workers', '2', '--grace', '12s', '--status-port', '0', '--status-token', token,
    fileURLToPath(new URL('fixtures/service.js', import.meta.url)),
    JSON.stringify({ options: { announce: { min: 500 } } })
  ])
  await tree.ready()
  const url = `${await tree.status()}${path}`
  const { page, problems } = await open(browser, url, { viewport: { width: 320, height: 900 } })
  t.match(await textOf(page, 'h1'), 'Running')
  await page.getByRole('textbox').fill(token)
  await page.getByRole('textbox').press('Enter')
  t.match(
    await sees(page, '#children', /Child 2/),
    /Load Child 1 pid \d+, up for .*, 0 restarts running ✓ ?ready 0 in flight \d connections? .*Child 2/
  )
  t.equal(await textOf(page, '#why'), '2 of 2 children ready, 1 needed.')
  t.match(await textOf(page, '#figures'), /connections \d/)
  t.match(await textOf(page, '#connections'), /with a request \d+ idle \d+/)
  t.match(await textOf(page, '#loop'), /Event loops ✓ ?all answer/)
  t.same(await violations(page), [])
  t.equal(await overflow(page), 0)
  const port = await tree.port()
  const stuck = Array.from({ length: 14 }, () => ask(port, '/orders/7?ms=30000'))
  await sees(page, '#children', /GET \/orders\/:id, for [\d.]+ s .*and \d+ more/)
  await noteByHand(page)
  tree.child.kill('SIGTERM')
  await sees(page, 'h1', /Draining/)
  t.match(await sees(page, '.waits', /child \d: traffic/), /child \d: traffic \d+ requests? in flight/)
  t.match(await textOf(page, '#timeline'), /Announcing Over, took .*Draining Now, for .*up to/)
  t.match(
    await sees(page, '#children', /waits for traffic/),
    /Child \d … ?waits for .*traffic \d+ requests? in flight .*GET \/orders\/:id, for/
  )
  t.match(await textOf(page, '#why'), 'Asked for by SIGTERM')
  t.match(await textOf(page, '#figures'), /in flight 14 .*left until the deadline/)
  t.match(await textOf(page, '#connections'), /with a request 14 /)
  t.match(await textOf(page, '#traffic'), /Since the announcement \d+ new connections/)
  t.same(await violations(page), [], 'draining')
  t.equal(await overflow(page), 0)
  t.match(await sees(page, '#notice', /stream ended/), 'with the process and code 1')
  t.match(await textOf(page, 'h1'), 'Terminated')
  t.match(
    [await textOf(page, '#ready'), await textOf(page, '#meaning'), await page.title()],
    [/! ?Cut/, 'The shutdown is over.', /^Ended, cut · /]
  )
  t.match(
    await textOf(page, '#figures'),
    /^[\d.]+ s from the announcement to the end$|^from the announcement to the end [\d.]+ s$/
  )
  t.match(await textOf(page, '#timeline'), /Draining Over, took .*Terminated Over, took/)
  t.strictSame(await page.evaluate('byHand'), 0, 'nobody drained it by hand')
  t.notMatch(await textOf(page, '#timeline'), 'by hand')
  t.match(await textOf(page, '#children'), /Child How it ended Exit code Child 1 pid \d+ .*Child 2 pid \d+ /)
  t.match(
    await textOf(page, '#children'),
    /! ?Cut .*requests? cut.* Requests that were cut GET \/orders\/:id ×5 and \d+ more 1/
  )
  t.same(await violations(page), [], 'the end')
  t.equal(await overflow(page), 0)
  t.strictSame(await tree.result, [1, null])
  t.same(await Promise.all(stuck), Array.from({ length: 14 }, () => 'ECONNRESET'))
  t.same(problems, [])
  await page.context().close()
})
