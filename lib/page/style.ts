/** The page's style sheet. Every pair of text and ground has a contrast of 4.5 to 1 at least. */
export const style = `
:root {
  color-scheme: light dark;
  --bg: #f4f5f8; --card: #fff; --sunk: #e9ecf1; --ink: #14171d; --mute: #555d6b; --line: #dcE0e8; --edge: #868f9e;
  --good: #0b6e45; --warn: #8a5200; --bad: #b3261e; --calm: #555d6b; --tone: #0b6e45; --tint: #e4f4ec;
  font: 16px/1.5 system-ui, -apple-system, "Segoe UI", Roboto, "Noto Sans", "Helvetica Neue", sans-serif;
}
body[data-phase=announcing] { --tone: #8a5200; --tint: #fbefd9 }
body[data-phase=closing] { --tone: #a33b12; --tint: #fdeae1 }
body[data-phase=draining] { --tone: #2350ba; --tint: #e6edfc }
body[data-phase=terminated] { --tone: #4a5262; --tint: #e9ecf1 }
body[data-alarm=yes] { --tone: #b3261e; --tint: #fbe7e5 }
@media (prefers-color-scheme: dark) {
  :root {
    --bg: #0e1116; --card: #161a21; --sunk: #232934; --ink: #e9ecf2; --mute: #a0a9b8; --line: #2a313d; --edge: #6c7688;
    --good: #58d39f; --warn: #f2b85c; --bad: #ff9188; --calm: #a0a9b8; --tone: #58d39f; --tint: #13291f;
  }
  body[data-phase=announcing] { --tone: #f2b85c; --tint: #2d2313 }
  body[data-phase=closing] { --tone: #ff9f75; --tint: #31201a }
  body[data-phase=draining] { --tone: #93b5ff; --tint: #18233c }
  body[data-phase=terminated] { --tone: #b4bdcb; --tint: #232934 }
  body[data-alarm=yes] { --tone: #ff9188; --tint: #371d1b }
}
*, ::before, ::after { box-sizing: border-box }
[hidden] { display: none !important }
body { margin: 0; background: var(--bg); color: var(--ink); overflow-wrap: anywhere }
h1, h2, h3, h4, p, ul, ol, dl, dd, figure { margin: 0; padding: 0 }
ul, ol { list-style: none }
.sr {
  position: absolute; width: 1px; height: 1px; margin: -1px; overflow: hidden;
  clip-path: inset(50%); white-space: nowrap
}
.wrap { max-width: 78rem; margin: 0 auto; padding: 0 clamp(1rem, 3vw, 2rem) }
.number { font-variant-numeric: tabular-nums; white-space: nowrap }
:focus-visible { outline: 3px solid var(--tone); outline-offset: 2px; border-radius: 4px }

.top {
  display: flex; flex-wrap: wrap; gap: .25rem 1.5rem; justify-content: space-between;
  align-items: center; padding-top: 1rem; padding-bottom: 1rem; font-size: .875rem
}
.brand { font-weight: 650; letter-spacing: -.01em }
.brand span { color: var(--mute); font-weight: 400 }
.link { color: var(--mute); font-variant-numeric: tabular-nums }

td .sign, .tag { overflow-wrap: normal; white-space: nowrap }
td .sign.free { overflow-wrap: anywhere; white-space: normal }
.glyph { display: inline-block; min-width: 1.15em; margin-right: .2em; text-align: center; font-weight: 700 }
.sign.good { color: var(--good) }
.sign.warn { color: var(--warn) }
.sign.bad { color: var(--bad) }
.sign.calm { color: var(--calm) }

.hero, .card, .panel { background: var(--card); border: 1px solid var(--line); border-radius: 14px }
.hero {
  position: relative; overflow: hidden; display: grid; gap: 1.25rem 2rem;
  padding: clamp(1.35rem, 3vw, 2.1rem) clamp(1.1rem, 3vw, 2rem) clamp(1.25rem, 3vw, 2rem)
}
.hero::before { content: ""; position: absolute; inset: 0 0 auto; height: 4px; background: var(--tone) }
.eyebrow { color: var(--tone); font-size: .8125rem; font-weight: 650; letter-spacing: .04em }
h1 { font-size: clamp(2.25rem, 7vw, 3.5rem); line-height: 1.05; letter-spacing: -.035em; font-weight: 700 }
.title { display: flex; flex-wrap: wrap; align-items: center; gap: .5rem 1rem; margin: .15rem 0 .5rem }
.badge {
  font-size: .9375rem; font-weight: 600; padding: .2rem .8rem .2rem .55rem;
  border: 1px solid var(--line); border-radius: 99px
}
.meaning { max-width: 46ch }
.why { color: var(--mute); margin-top: .25rem; max-width: 60ch }
.figures { display: flex; flex-wrap: wrap; gap: 1rem 2.25rem }
.figures div { display: flex; flex-direction: column-reverse; min-width: 4.5rem }
.figures dt { color: var(--mute); font-size: .8125rem }
.figures dd {
  font-size: 1.625rem; line-height: 1.2; font-weight: 600; letter-spacing: -.02em;
  font-variant-numeric: tabular-nums
}
.figures .deadline dd { color: var(--tone) }
.figures .bad dd { color: var(--bad) }
@media (min-width: 60rem) {
  .hero { grid-template-columns: 1fr auto; align-items: end }
  .hero .figures { justify-content: flex-end; max-width: 36rem }
}

.panel { margin-top: 1rem; padding: 1rem clamp(1rem, 3vw, 1.5rem); border-left: 4px solid var(--edge) }
.panel.alarm { border-left-color: var(--bad) }
.panel.alarm h2 { font-size: 1.125rem }
.panel code { font: .875rem/1.5 ui-monospace, SFMono-Regular, Menlo, Consolas, monospace }
.panel form > p { flex-basis: 100% }
.panel form { display: flex; flex-wrap: wrap; gap: .5rem .75rem; align-items: end; margin: 0 }
.panel label { display: block; font-size: .8125rem; color: var(--mute) }
input, button {
  font: inherit; color: inherit; min-height: 2.75rem; border-radius: 8px;
  border: 1px solid var(--edge); background: var(--card); padding: .25rem .75rem
}
input { width: min(22rem, 100%) }
.field { flex: 1 1 12rem; max-width: 22rem }
.field input { width: 100% }
button {
  background: var(--tone); border-color: var(--tone); color: var(--card); font-weight: 600;
  padding: .25rem 1.25rem; cursor: pointer
}

h2 { font-size: 1rem; font-weight: 650; letter-spacing: -.01em }
.card { padding: 1.1rem clamp(1rem, 2.5vw, 1.4rem) 1.25rem; margin-top: 1rem; min-width: 0 }
.card > h2 { display: flex; justify-content: space-between; gap: 1rem; margin-bottom: .75rem }
.count { color: var(--mute); font-weight: 500; font-variant-numeric: tabular-nums }
.grid { display: grid; gap: 0 1rem; align-items: start }
.grid > div { min-width: 0 }
@media (min-width: 56rem) { .grid { grid-template-columns: minmax(0, 7fr) minmax(0, 5fr) } }

.steps { display: grid; gap: 1.1rem }
.step { position: relative; padding-left: 3rem; min-width: 0 }
.node {
  position: absolute; left: 0; top: 0; width: 2rem; height: 2rem; display: grid;
  place-items: center; border-radius: 50%; font-weight: 650; font-size: .875rem;
  border: 2px solid var(--edge); color: var(--mute); background: var(--card); z-index: 1
}
.step::before {
  content: ""; position: absolute; left: calc(1rem - 1px); top: 2rem; bottom: -1.1rem; width: 2px;
  background: var(--line)
}
.step:last-child::before { display: none }
.step.over .node { border-color: var(--tone); color: var(--tone) }
.step.over::before { background: var(--tone) }
.step.now .node {
  background: var(--tone); border-color: var(--tone); color: var(--card);
  box-shadow: 0 0 0 5px var(--tint)
}
.step h3 { font-size: 1rem; line-height: 2rem; font-weight: 650 }
.step.next h3 { color: var(--mute); font-weight: 500 }
.step-state, .bounds, .purpose { font-size: .875rem; color: var(--mute); font-variant-numeric: tabular-nums }
.step.now .step-state { color: var(--tone); font-weight: 600 }
.step .bar { margin: .5rem 0 .3rem; max-width: 24rem }
.purpose { margin-top: .3rem; max-width: 40ch }
.step:not(.now) .purpose { display: none }
.waits { margin-top: .6rem; padding: .6rem .8rem; border-radius: 8px; background: var(--tint); font-size: .875rem }
.waits h4 { font-size: .8125rem; font-weight: 650; color: var(--tone) }
.waits li + li { margin-top: .25rem }
@media (min-width: 60rem) {
  .steps { grid-template-columns: 1fr repeat(4, minmax(0, 1fr)); gap: 0 }
  .step { padding: 2.6rem 1.25rem 0 0 }
  .step::before { left: 2rem; right: 0; top: calc(1rem - 1px); bottom: auto; width: auto; height: 2px }
  .step.now { margin-right: .25rem }
  .step:not(.now) .purpose { display: none }
  .steps:has(.now:nth-child(2)) { grid-template-columns: .6fr 1.9fr 1fr 1fr 1fr }
  .steps:has(.now:nth-child(3)) { grid-template-columns: .6fr 1fr 1.9fr 1fr 1fr }
  .steps:has(.now:nth-child(4)) { grid-template-columns: .6fr 1fr 1fr 1.9fr 1fr }
  .steps:has(.now:nth-child(5)) { grid-template-columns: .6fr 1fr 1fr 1fr 1.9fr }
}

.bar { position: relative; height: 8px; border-radius: 99px; background: var(--sunk); overflow: hidden }
.fill {
  position: absolute; inset: 0 auto 0 0; width: 0; border-radius: 99px; background: var(--tone);
  transition: width .25s linear
}
.step.over .fill { background: var(--edge) }
.mark { position: absolute; top: 0; bottom: 0; width: 2px; margin-left: -1px; background: var(--ink) }
.grace { margin-top: 1.4rem; padding-top: 1rem; border-top: 1px solid var(--line) }
.grace h3 { font-size: .875rem; font-weight: 600; margin-bottom: .5rem }
.ribbon {
  position: relative; display: flex; gap: 2px; height: 14px; border-radius: 6px; overflow: hidden;
  background: var(--card)
}
.ribbon .part { background: var(--sunk) }
.ribbon .part.close { background: repeating-linear-gradient(135deg, var(--sunk) 0 4px, var(--edge) 4px 5px) }
.ribbon .part.reserve { background: repeating-linear-gradient(90deg, var(--sunk) 0 3px, var(--edge) 3px 4px) }
.ribbon .part.preStop { background: repeating-linear-gradient(45deg, var(--sunk) 0 4px, var(--edge) 4px 5px) }
.gone .fill { border-radius: 0; opacity: .85 }
.legend {
  display: flex; flex-wrap: wrap; gap: .25rem 1.25rem; margin-top: .5rem; font-size: .8125rem;
  color: var(--mute)
}
.legend b { color: var(--ink); font-weight: 600; font-variant-numeric: tabular-nums }
.swatch {
  display: inline-block; width: .8rem; height: .8rem; margin-right: .4rem; vertical-align: -1px;
  border-radius: 3px; border: 1px solid var(--edge); background: var(--sunk)
}
.legend .close .swatch { background: repeating-linear-gradient(135deg, var(--sunk) 0 3px, var(--edge) 3px 4px) }
.legend .reserve .swatch { background: repeating-linear-gradient(90deg, var(--sunk) 0 3px, var(--edge) 3px 4px) }
.legend .preStop .swatch { background: repeating-linear-gradient(45deg, var(--sunk) 0 3px, var(--edge) 3px 4px) }

table { width: 100%; border-collapse: collapse; font-size: .9375rem }
th, td {
  text-align: left; vertical-align: top; padding: .45rem .75rem .45rem 0;
  border-top: 1px solid var(--line); font-weight: 400
}
th:last-child, td:last-child { padding-right: 0 }
thead th {
  color: var(--mute); font-size: .8125rem; font-weight: 500; border-top: 0; padding-top: 0;
  overflow-wrap: normal
}
tbody th { font-weight: 550 }
td .bar { margin-top: .5rem; min-width: 3rem }
.method {
  font: .8125rem/1.75 ui-monospace, SFMono-Regular, Menlo, Consolas, monospace; color: var(--mute);
  width: 1%; overflow-wrap: normal
}
.route { font-family: ui-monospace, SFMono-Regular, Menlo, Consolas, monospace; font-size: .875rem }
.age { width: 30%; min-width: 5rem }
.age .bar { height: 5px; margin-top: .3rem }
.tag {
  display: inline-block; white-space: nowrap; margin-left: .5rem; padding: 0 .45rem;
  border: 1px solid var(--edge); border-radius: 99px; font: 500 .75rem/1.4 system-ui, sans-serif;
  color: var(--mute)
}
.note { display: block; color: var(--mute); font-size: .8125rem; font-weight: 400 }
.error { display: block; color: var(--bad); font-size: .8125rem; font-weight: 400 }
.empty, .more, .lead { color: var(--mute); font-size: .9375rem }
.more { margin-top: .5rem } .lead { margin-bottom: .5rem }
.pairs div {
  display: grid; grid-template-columns: minmax(8.5rem, 2fr) 3fr; gap: 0 1rem; padding: .45rem 0;
  border-top: 1px solid var(--line); font-size: .9375rem
}
.pairs div:first-child { border-top: 0; padding-top: 0 }
.pairs dt { color: var(--mute) }
.pairs dd { font-variant-numeric: tabular-nums }
@media (max-width: 28rem) {
  .pairs div { grid-template-columns: 1fr }
  table { font-size: .875rem }
  th, td { padding-right: .5rem }
  #participants th { min-width: 6rem }
  .glyph { min-width: 1em }
}

.verdict { margin-bottom: 1.1rem }
.verdict .sign { font-size: 1.75rem; font-weight: 700; letter-spacing: -.02em }
.verdict p { color: var(--mute) }
#report .figures { margin-bottom: 1.1rem }
#report .pairs { max-width: 48rem }
#report table { margin-top: 1rem }
#report h3, #children h3 { font-size: .9375rem; margin: 1.1rem 0 .3rem }
#children table + table { margin-top: 1.1rem }
.lines li { padding: .4rem 0; border-top: 1px solid var(--line); font-size: .9375rem }
.foot { padding-top: 1.5rem; padding-bottom: 2.5rem; color: var(--mute); font-size: .8125rem }

@media (prefers-reduced-motion: reduce) { * { transition: none !important; animation: none !important } }
@media (forced-colors: active) { .fill, .mark { background: CanvasText } .bar { border: 1px solid CanvasText } }
@media print { body { background: none } .link, #unlock { display: none } }
`
