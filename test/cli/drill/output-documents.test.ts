import { execFileSync, spawnSync } from 'node:child_process'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath, pathToFileURL } from 'node:url'
import * as fc from 'fast-check'
import type { Browser } from 'playwright-core'
import t from 'tap'
import { htmlOf } from '../../../lib/cli/drill/output/html.ts'
import { junitOf, junitOfFailure } from '../../../lib/cli/drill/output/junit.ts'
import type { DrillReport } from '../../../lib/cli/drill/output/result.ts'
import { adviseOn } from '../../../lib/drill/advice.ts'
import type { DrillRecord } from '../../../lib/drill/index.ts'
import { launch, open, overflow, textOf, violations } from '../../page/chromium.ts'
import { foreign, leaving, lossOf, recordOf, runOf, staying } from './records.ts'

// Where Chromium and xmllint have to be installed first.
t.setTimeout(400_000)
const schema = fileURLToPath(new URL('junit.xsd', import.meta.url))
const reportOf = (record: DrillRecord): DrillReport => ({ record, advice: adviseOn(record), trial: undefined })

function installXmllint (): void {
  if (spawnSync('xmllint', ['--version']).error === undefined) return
  const options = { stdio: 'pipe', env: { ...process.env, DEBIAN_FRONTEND: 'noninteractive' } } as const
  execFileSync('apt-get', ['update', '-qq'], options)
  execFileSync('apt-get', ['install', '-y', '-qq', '--no-install-recommends', 'libxml2-utils'], options)
}

/** What xmllint says of each text; empty where it is valid. */
function problemsOf (folder: string, texts: readonly string[]): string {
  const files = texts.map((text, index) => {
    const file = join(folder, `${index}.xml`)
    writeFileSync(file, text)
    return file
  })
  const { status, stderr } = spawnSync('xmllint', ['--noout', '--nonet', '--huge', '--schema', schema, ...files])
  return status === 0 ? '' : String(stderr).split('\n').filter((line) => !line.endsWith(' validates')).join('\n')
}

const nasty = '<script>document.title="hit"</script>]]>&amp;"\'\u0000\u0007\u001B[31m\uD800x\uDFFF\uFFFE\u202E\r\n<img src=x onerror="document.title=1">'
const anyText = fc.oneof(
  fc.string({ unit: 'binary', maxLength: 200 }), fc.constantFrom(nasty, ']]>', '\uD800', '<!--', '-->', '&#0;')
)

/** A drill that holds these texts wherever a text can be. */
function holding (a: string, b: string, c: string): DrillRecord {
  const replica = leaving(a, { log: [{ msg: b }, { event: c }] })
  Object.assign(replica.report!, { summary: c, advice: [b] })
  replica.history.push({ phase: c, at: 0 })
  return recordOf([runOf([replica, foreign(b), staying(c)], [
    lossOf('refused', a, 500, { detail: c, path: b }), lossOf('answered-5xx', b, 10, { method: c, detail: a }),
    lossOf('wrong-answer', undefined, undefined, { detail: b, phase: c })
  ])], { service: b, front: c, fault: a })
}

const losing = recordOf([
  runOf([leaving('1 old', { log: [{ msg: 'a line' }] }), foreign('2 old'), staying('1 new')], [
    ...Array.from({ length: 7 }, (_, index) => lossOf('refused', '1 old', 500 + index)), lossOf('timeout', undefined, 20)
  ]),
  runOf([leaving('1 old')], [])
])

t.test('JUnit XML has failures exactly where the drill fails, by replica and by run', async (t) => {
  installXmllint()
  const text = junitOf(reportOf(losing))
  t.match(text, '<testsuites name="fastify-graceful drill" tests="6" failures="2" errors="0" time="10.000">')
  t.match(text, /<testsuite name="service.js, run 1" tests="4" failures="2" errors="0"/)
  t.match(text, /<testsuite name="service.js, run 2" tests="2" failures="0" errors="0"/)
  t.match(text, '<testcase name="replica 1 old" classname="service.js" time="1.000"><failure type="lost" message="7 requests lost">')
  t.match(text, '7 refused, 1 old, draining, 500 to 506 ms after the signal')
  t.match(text, 'would have saved 7 requests')
  const allowed = junitOf(reportOf({ ...losing, maxLost: 8 }))
  t.match(allowed, / failures="0" /)
  t.notMatch(allowed, '<failure')
  const failed = junitOfFailure('service.js', 'replica 1 old ended with 1:\nboom')
  t.match(failed, '<error message="replica 1 old ended with 1:">')
  t.equal(problemsOf(t.testdir(), [text, allowed, failed]), '')
  t.not(problemsOf(t.testdir(), [text.replace(' tests="6"', '')]), '', 'the schema refuses what is wrong')
})

// Scenario, too: The result as a table…
t.test('a drill that is compared with another one is judged by itself, in each form', async (t) => {
  for (const name of ['before.json', nasty]) {
    const report = { ...reportOf(recordOf([runOf([leaving('1 old')], [])])), compared: { name, record: losing } }
    const xml = junitOf(report)
    t.match(xml, ' tests="2" failures="0" errors="0"')
    t.match(xml, 'lost: 8 before, 0 now')
    t.match(xml, 'refused: 7 before, 0 now')
    t.equal(problemsOf(t.testdir(), [xml]), '')
    t.match(htmlOf(report), '✓ Passed')
    t.notMatch(htmlOf(report), '<img')
  }
})

// Scenario, too: The result as a table…
t.test('a fault is told by what is expected of it, in each form, and is no ground for advice', (t) => {
  const fault = {
    at: 1, replica: '1 old', usesPlugin: true, met: false,
    expectations: [
      { expected: 'replica 1 old exits with 1 before SIGKILL', seen: 'SIGKILL after 4000 ms', met: false },
      { expected: 'no request is lost but at replica 1 old', seen: 'none', met: true }
    ]
  }
  const run = runOf([foreign('1 old'), staying('1 new')], [lossOf('refused', '1 old', 500)])
  for (const met of [false, true]) {
    const expectations = fault.expectations.filter((one) => one.met || !met)
    const report = reportOf(recordOf([{ ...run, fault: { ...fault, met, expectations } }], { fault: 'hang' }))
    t.same(report.advice, [])
    const xml = junitOf(report)
    t.match(xml, ` failures="${met ? 0 : 1}" errors="0"`)
    t.equal(xml.includes('<failure type="expectation" message="SIGKILL after 4000 ms"/>'), !met)
    t.notMatch(xml, /at most|type="lost"/)
    t.match(xml, 'no request is lost but at replica 1 old')
    t.equal(problemsOf(t.testdir(), [xml]), '')
    const page = htmlOf(report)
    t.match(page, met ? '✓ Passed' : '✗ Failed')
    t.match(page, met ? /What is expected of the fault/ : /What is expected of the fault[^]*SIGKILL after 4000 ms/)
  }
  t.end()
})

t.test('whatever text is in a drill, its XML is valid', async (t) => {
  const texts = fc.sample(fc.tuple(anyText, anyText, anyText), 150).flatMap(([a, b, c]) =>
    [junitOf(reportOf(holding(a, b, c))), junitOfFailure(a, b)])
  t.equal(problemsOf(t.testdir(), [...texts, junitOf(reportOf(holding(nasty, nasty, nasty)))]), '')
})

t.test('the page: nothing from elsewhere, no script, no inline style', async (t) => {
  const text = htmlOf(reportOf(losing))
  t.match(text, /<meta http-equiv="Content-Security-Policy" content="default-src &#39;none&#39;; style-src &#39;sha256-[^&]+&#39;; base-uri/)
  t.notMatch(text.replace(/<style>[^<]*<\/style>/, ''), /<script|<link|<img|<[^>]+ (?:on\w+|style|src|href)=/)
  for (const [a, b, c] of fc.sample(fc.tuple(anyText, anyText, anyText), 100)) {
    const page = htmlOf(reportOf(holding(a, b, c)))
    t.notMatch(page, /<script|<img/)
    // oxlint-disable-next-line no-control-regex -- what a page must not hold
    t.notMatch(page, /[\u0000-\u0008\u000B\u000C\u000E-\u001F\u007F-\u009F]/)
  }
})

t.test('the page in Chromium', async (t) => {
  const browser: Browser = await launch()
  t.teardown(async () => browser.close())
  const folder = t.testdir()
  const load = async (name: string, record: DrillRecord, trial?: DrillReport['trial']) => {
    const file = join(folder, name)
    writeFileSync(file, htmlOf({ ...reportOf(record), trial, compared: { name: `/${name}`, record: losing } }))
    return await open(browser, pathToFileURL(file).href, { javaScriptEnabled: true })
  }
  const told = { variables: { GRACEFUL_ANNOUNCE_MIN_SECONDS: '1.5' }, untried: ['watchdog.enabled'], record: losing }
  for (const [name, record, trial] of [
    ['losing.html', losing, told], ['clean.html', recordOf([runOf([leaving('1 old')], [])]), undefined],
    ['nasty.html', holding(nasty, nasty, nasty), undefined]
  ] as const) {
    const { page, problems } = await load(name, record, trial)
    await page.locator('details').evaluateAll((all) => { for (const one of all) one.setAttribute('open', '') })
    for (const colorScheme of ['light', 'dark'] as const) {
      for (const width of [320, 1280]) {
        await page.emulateMedia({ colorScheme })
        await page.setViewportSize({ width, height: 800 })
        t.same(await violations(page), [], `${name}, ${colorScheme}, ${width} px`)
        t.equal(await overflow(page), 0, `${name}, ${width} px: nothing to scroll sideways`)
      }
    }
    t.same(problems, [], `${name}: nothing is refused by its own policy`)
    await page.emulateMedia({ media: 'print' })
    t.ok((await page.pdf()).length > 1000, 'it can be printed')
    await page.context().close()
  }
})

t.test('what a reader of the page sees', async (t) => {
  const browser: Browser = await launch()
  t.teardown(async () => browser.close())
  const file = join(t.testdir(), 'page.html')
  const before = { name: 'before.json', record: recordOf([runOf([leaving('1 old')], [])]) }
  writeFileSync(file, htmlOf({ ...reportOf(losing), compared: before }))
  const { page } = await open(browser, pathToFileURL(file).href, { javaScriptEnabled: false })
  t.match(await textOf(page, 'h1'), '8 of 2000 requests lost in 2 runs')
  t.match(await textOf(page, 'main'), /Failed.*Keep phase 1 for 1.5 s.*Run 1: 8 of 1000 requests lost/)
  t.match(await textOf(page, '.lane >> nth=0'), /1 old starting 0 ms to 1 s · running 1 s to 3 s · announcing .* 7 lost/)
  t.equal(await page.locator('.lane >> nth=0 >> path.loss').getAttribute('d').then((path) => path?.match(/M/g)?.length), 2,
    'losses in the same place are one mark')
  t.match(await textOf(page, 'main'), /Compared with before\.json service\.js: front kube-proxy/)
  t.match(await textOf(page, '[aria-label="Before and now"]'), /before now requests 1000 2000 lost 0 8 refused 0 7/)
  await page.keyboard.press('Tab')
  await page.keyboard.press('Tab')
  const focused = page.locator(':focus')
  t.match(await focused.getAttribute('aria-label'), 'Latency of run 1', 'tables that scroll are reached by keyboard')
  writeFileSync(file, htmlOf(reportOf(holding(nasty, nasty, nasty))))
  await page.reload()
  t.match(await textOf(page, 'main'), '<script>document.title="hit"</script>]]>', 'text stays text')
  t.equal(await page.locator('script, img').count(), 0)
})
