import { createHash } from 'node:crypto'
import type { PublicStatus } from '../status/model.ts'
import { capitalized } from '../status/words.ts'
import type { Envelope } from './viewers.ts'

/** The page, and what has to go with it. */
export interface Page {
  headers: Readonly<Record<string, string>>
  /** Its pieces in their order, as UTF-8. The long ones never change, and are the same objects for every reader. */
  body: readonly Buffer[]
}

/** What every page has, as text: it is made once, also where two threads serve the page. */
export interface PageTexts { style: string, script: string }

/** What never changes: whoever asks a thousand times without reading the answers holds it once. */
interface Constant { headers: Page['headers'], style: Buffer, cards: Buffer, script: Buffer }

/** Makes the page for a state: what the reader may know, see `Viewers.show`. */
export type PageMaker = (state: Envelope & Partial<PublicStatus>) => Page

/** The page that shows a state and follows it. It asks for nothing but the stream: all it needs is in it. */
export function pageMaker (texts: PageTexts): PageMaker {
  const { headers, ...parts } = makeConstant(texts)
  return (state) => {
    const [begin, middle, end] = [beginning(state), hero(state), ending(state)].map((text) => Buffer.from(text))
    return { headers, body: [begin!, parts.style, middle!, parts.cards, end!, parts.script] }
  }
}

function makeConstant ({ style, script }: PageTexts): Constant {
  const policy = [
    "default-src 'none'",
    `style-src ${sourceOf(style)}`,
    `script-src ${sourceOf(script)}`,
    "connect-src 'self'",
    "base-uri 'none'",
    "form-action 'none'",
    "frame-ancestors 'none'"
  ]
  return {
    headers: {
      'content-security-policy': policy.join('; '),
      'x-content-type-options': 'nosniff',
      'referrer-policy': 'no-referrer',
      'cache-control': 'no-store',
      vary: 'accept'
    },
    style: Buffer.from(`<style>${style}</style>\n</head>\n`),
    cards: Buffer.from(cards()),
    script: Buffer.from(`<script type="module">${script}</script>\n</body>\n</html>\n`)
  }
}

/** What a policy calls an inline style or script. Both are the same for every reader: a nonce would say less. */
function sourceOf (text: string): string {
  return `'sha256-${createHash('sha256').update(text).digest('base64')}'`
}

/** Text as it may stand in a document. */
function escape (text: string): string {
  return text.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;').replaceAll('"', '&quot;')
}

/** The head of a card: its title, and where it has one, a number. */
function card (id: string, title: string, kind = '', count = false): string {
  const number = count ? `<span class="count" id="${id}-count"></span>` : ''
  return `<section class="card ${kind}" id="${id}-card" aria-labelledby="${id}-title" hidden>\
<h2><span id="${id}-title">${title}</span>${number}</h2><div id="${id}"></div></section>`
}

/** What is said without a script, and until it runs. */
function summary (state: Partial<PublicStatus> & { inFlight?: number }): string {
  const { phase = 'running', ready, since, inFlight } = state
  const time = since === undefined || since === 0 ? '' : ` since ${new Date(since).toISOString()}`
  const load = inFlight === undefined ? '' : `, ${inFlight} in flight`
  return escape(`Phase ${phase}${time}, ${ready === true ? 'ready' : 'not ready'}${load}.`)
}

function nameOf ({ phase = 'running' }: Partial<PublicStatus>): string {
  return escape(capitalized(phase))
}

function replicaOf ({ process: replica }: Envelope): string {
  return replica === undefined ? '' : escape(`${replica.hostname}, pid ${replica.pid}`)
}

function beginning (state: Envelope & Partial<PublicStatus>): string {
  const replica = replicaOf(state)
  return `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="robots" content="noindex, nofollow">
<title>${nameOf(state)}${replica === '' ? '' : ` · ${replica}`} · Status</title>
`
}

function hero (state: Envelope & Partial<PublicStatus>): string {
  return `<body data-phase="${escape(state.phase ?? 'running')}">
<header class="wrap top"><p class="brand">Service status <span>· fastify-graceful</span></p>\
<p class="link" id="link"></p></header>
<main class="wrap">
<p class="sr" id="said" aria-live="polite"></p>
<section class="hero" aria-labelledby="phase">
<div><p class="eyebrow" id="eyebrow">Phase</p>\
<div class="title"><h1 id="phase">${nameOf(state)}</h1>\
<p class="badge" id="ready">${state.ready === true ? 'Ready' : 'Not ready'}</p></div>\
<p class="meaning" id="meaning"></p><p class="why" id="why"></p></div>
<dl class="figures" id="figures"></dl>
</section>
<noscript><div class="panel"><p>${summary(state)} \
This page follows the service with JavaScript; without it, reload.</p></div></noscript>
`
}

function cards (): string {
  return `<section class="panel alarm" id="alarm" aria-label="Alarm" hidden></section>
<section class="panel" id="notice" aria-label="Connection" hidden></section>
${card('report', 'Report')}
<section class="card" aria-labelledby="timeline-title"><h2 id="timeline-title">Time line</h2>\
<ol class="steps" id="timeline"></ol>\
<div class="grace" id="grace-card" hidden><h3 id="grace-title"></h3><div id="grace"></div></div></section>
<section class="panel" id="unlock-panel" aria-labelledby="unlock-title"><form id="unlock" hidden>\
<p id="unlock-title">There is more to see for those who have the token.</p>\
<div class="field"><label for="token">Token, kept in the memory of this page alone</label>\
<input id="token" type="password" autocomplete="off" spellcheck="false" required></div>\
<button type="submit">Show all</button><p id="unlock-said" hidden></p></form>\
<p id="closed" hidden>Only the phase is shown to you. A token opens the rest, where the service sets one: \
option <code>admin.token</code>, under a supervisor <code>--status-token</code>.</p></section>
${card('children', 'Children', 'children')}
<div class="grid">
<div>
${card('requests', 'Requests in flight', '', true)}
${card('participants', 'Participants')}
${card('traffic', 'Traffic')}
</div>
<div>
${card('connections', 'Connections', '', true)}
${card('checks', 'Health checks')}
${card('loop', 'Event loop')}
</div>
</div>
</main>
`
}

function ending (state: Envelope & Partial<PublicStatus>): string {
  const replica = replicaOf(state)
  // Inside a script element only `</script` and `<!--` mean anything; both begin with the same sign.
  const json = JSON.stringify(state).replaceAll('<', '\\u003c')
  return `<footer class="wrap foot" id="versions"${replica === '' ? ' hidden' : ''}>${replica}</footer>
<script type="application/json" id="state">${json}</script>
`
}

/** Whether an `Accept` header wants the page: a browser's does, that of a program which takes anything does not. */
export function wantsPage (accept: string | undefined): boolean {
  const qualities = new Map((accept ?? '').toLowerCase().split(',').map((range) => {
    const [type = '', ...parameters] = range.split(';').map((part) => part.trim())
    return [type, Number(parameters.find((parameter) => parameter.startsWith('q='))?.slice(2) ?? 1)]
  }))
  const html = qualities.get('text/html') ?? 0
  return html > 0 && html >= (qualities.get('application/json') ?? 0)
}
