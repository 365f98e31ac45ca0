/** The page's style sheet. Every pair of text and ground has a contrast of 4.5 to 1 at least. */
export const style = `
:root { color-scheme: light dark; --bg: #f4f5f8; --card: #fff; --ink: #14171d; --mute: #555d6b; --line: #d5dae3;
--good: #0b6e45; --bad: #b3261e; --starting: #b4bdcb; --running: #2f9e6b; --announcing: #d99a1f; --closing: #a33b12;
--draining: #4a78e0; font: 16px/1.5 system-ui, sans-serif }
@media (prefers-color-scheme: dark) { :root { --bg: #0e1116; --card: #161a21; --ink: #e9ecf2; --mute: #a0a9b8;
--line: #38404e; --good: #58d39f; --bad: #ff9188; --starting: #5d6675; --running: #37a873; --announcing: #e0a83a;
--closing: #ff9f75; --draining: #6f96f2 } }
* { box-sizing: border-box }
body { margin: 0; background: var(--bg); color: var(--ink); overflow-wrap: anywhere }
main { max-width: 76rem; margin: 0 auto; padding: 1.5rem clamp(1rem, 3vw, 2rem) 3rem }
h1 { font-size: clamp(1.6rem, 5vw, 2.4rem); line-height: 1.15; margin: 0 0 .5rem }
h2 { font-size: 1.2rem; margin: 0 0 .75rem } h3 { font-size: 1rem; margin: 1.5rem 0 .5rem }
p { margin: .25rem 0 } ol { padding-left: 1.5rem } li { margin: .5rem 0 }
section { background: var(--card); border: 1px solid var(--line); border-radius: 12px; margin-top: 1rem;
padding: 1.1rem clamp(1rem, 2.5vw, 1.5rem) }
.mute { color: var(--mute); font-size: .875rem } .good { color: var(--good) } .bad { color: var(--bad) }
code, pre { font: .875rem/1.5 ui-monospace, Menlo, Consolas, monospace; white-space: pre-wrap }
.lane { display: grid; grid-template-columns: 6rem 1fr; gap: 0 .75rem; align-items: center; margin-top: .5rem }
.lane .mute { grid-column: 2 }
.bar { display: block; width: 100%; height: 1.5rem; background: var(--bg) }
.starting { fill: var(--starting) } .running { fill: var(--running) } .announcing { fill: var(--announcing) }
.closing { fill: var(--closing) } .draining { fill: var(--draining) }
.loss { stroke: var(--bad); stroke-width: 2 } .out { stroke: var(--ink); stroke-width: 2; stroke-dasharray: 3 2 }
.loss, .out, .plot path { fill: none; vector-effect: non-scaling-stroke }
.legend { display: flex; flex-wrap: wrap; gap: .25rem 1rem } .legend svg { width: 1rem; height: 1rem; margin-right:
.35rem }
.axis { display: flex; justify-content: space-between; margin-left: 6.75rem; color: var(--mute); font-size: .8125rem }
.chart { display: grid; grid-template-columns: 6rem 1fr; gap: 0 .75rem }
.chart ol { display: flex; flex-direction: column; justify-content: space-between; list-style: none; margin: 0;
padding: 0;
text-align: right; color: var(--mute); font-size: .8125rem } .chart li { height: 0; line-height: 0; margin: 0 }
.plot { display: block; width: 100%; height: 11rem; border: solid var(--line); border-width: 0 0 1px 1px }
.plot rect { fill: var(--bg) } .p50 { stroke: var(--running); stroke-width: 2 }
.p99 { stroke: var(--draining); stroke-width: 2; stroke-dasharray: 6 3 } .max { stroke: var(--bad); stroke-width:
1.5; stroke-dasharray: 2 2 }
.wide { overflow-x: auto } table { border-collapse: collapse; width: 100%; font-size: .9375rem }
th, td { text-align: left; vertical-align: top; padding: .35rem .75rem .35rem 0; border-top: 1px solid var(--line);
font-variant-numeric: tabular-nums } thead th { color: var(--mute); font-weight: 500; border-top: 0 }
th, td { min-width: 4rem }
:focus-visible, summary:focus-visible { outline: 3px solid var(--draining); outline-offset: 2px } summary { cursor:
pointer }
@media (max-width: 36rem) { .lane, .chart { grid-template-columns: 1fr } .lane .mute { grid-column: 1 } .axis {
margin-left: 0 }
.chart ol { flex-direction: column-reverse; display: none } }
@media (forced-colors: active) { svg { forced-color-adjust: none } }
@media print { body { background: none } section { break-inside: avoid-page; border: 0; padding: 0 } }
`
