import { execFileSync } from 'node:child_process'
import { accessSync, constants } from 'node:fs'
import { readFile } from 'node:fs/promises'
import { createRequire } from 'node:module'
import { delimiter, join } from 'node:path'
import { chromium } from 'playwright-core'
import type { Browser, BrowserContextOptions, Page } from 'playwright-core'

function search (): string | undefined {
  const folders =
    [...(process.env['PATH'] ?? '').split(delimiter), '/usr/bin', '/usr/local/bin'].filter((folder) => folder !== '')
  return folders
    .flatMap((folder) => ['chromium', 'chromium-browser', 'google-chrome-stable'].map((name) => join(folder, name)))
    .find((file) => {
      try {
        accessSync(file, constants.X_OK)
        return true
      } catch {
        return false
      }
    })
}

/** Installs Chromium from Debian's packages. @throws Error when that does not work */
function installChromium (): void {
  const options = {
    stdio: 'pipe',
    timeout: 240_000,
    env: { ...process.env, DEBIAN_FRONTEND: 'noninteractive' }
  } as const
  execFileSync('apt-get', ['update', '-qq'], options)
  execFileSync('apt-get', ['install', '-y', '-qq', '--no-install-recommends', 'chromium'], options)
}

/**
 * The path of Chromium's binary; installed from Debian's packages first where it is missing.
 * @throws Error that says why there is none
 */
function findChromium (): string {
  const found = search()
  if (found !== undefined) return found
  let why = 'and the packages held none'
  try {
    process.stderr.write('chromium is not on this machine; installing it with apt-get\n')
    installChromium()
  } catch (error) {
    why = `and installing it failed: ${String(error).split('\n')[0]}`
  }
  const installed = search()
  if (installed === undefined) {
    throw new Error(
      `chromium is neither in PATH nor in /usr/bin, ${why}; install it by hand (Debian: apt-get install chromium)`
    )
  }
  return installed
}

/** Starts Chromium without a window. */
export async function launch (): Promise<Browser> {
  // As root, and in most containers, there is no sandbox.
  return chromium.launch({ executablePath: findChromium(), args: ['--no-sandbox', '--disable-dev-shm-usage'] })
}

/** A page, and all that went wrong on it. */
export interface Watched { page: Page, problems: string[] }

/** Opens a page in a context of its own. What the console says is a problem, except that the service is gone. */
export async function open (browser: Browser, url: string, options: BrowserContextOptions = {}): Promise<Watched> {
  const context = await browser.newContext(options)
  const page = await context.newPage()
  const problems: string[] = []
  page.on('pageerror', (error) => { problems.push(error.message) })
  page.on('console', (message) => {
    if (['error', 'warning'].includes(message.type()) && !/net::ERR_(CONNECTION|INCOMPLETE)/.test(message.text())) {
      problems.push(message.text())
    }
  })
  await page.goto(url)
  return { page, problems }
}

/** What axe-core finds, by rule and element. It runs in a world of its own, so that the page's policy can stay. */
export async function violations (page: Page): Promise<string[]> {
  await page.evaluate(await source)
  const found = await page.evaluate(async () => {
    const { axe } = globalThis as unknown as {
      axe: {
        run: () => Promise<{
          violations: Array<{ id: string, nodes: Array<{ html: string, failureSummary?: string }> }>
        }>
      }
    }
    return (await axe.run()).violations
  })
  return found.flatMap(({ id, nodes }) => nodes.map(({ html, failureSummary }) => `${id}: ${html} ${failureSummary}`))
}

const source = readFile(createRequire(import.meta.url).resolve('axe-core/axe.min.js'), 'utf8')

/** By how many pixels the page is wider than its window. */
export async function overflow (page: Page): Promise<number> {
  return page.evaluate('document.documentElement.scrollWidth - document.documentElement.clientWidth')
}

/** The text that a reader sees. */
export async function textOf (page: Page, selector: string): Promise<string> {
  return (await page.locator(selector).innerText()).replaceAll(/\s+/g, ' ')
}

/** Waits until what is seen matches, at most thirty seconds. */
export async function sees (page: Page, selector: string, pattern: RegExp): Promise<string> {
  const end = Date.now() + 30_000
  for (;;) {
    const text = await textOf(page, selector).catch(() => '')
    if (pattern.test(text)) return text
    if (Date.now() > end) throw new Error(`no ${pattern} in ${selector} after 30 s: ${text}`)
    await page.waitForTimeout(50)
  }
}
