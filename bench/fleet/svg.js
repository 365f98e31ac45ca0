// Curves as SVG, written by hand: small, and readable on a light and on a dark page.

const size = { width: 720, height: 400, left: 78, right: 20, top: 64, bottom: 52 }
const colours = ['c0', 'c1', 'c2']
const style = 'text{font:13px system-ui,sans-serif;fill:#1f2328}.t{font-size:15px;font-weight:600}.a{stroke:#818b98}'
  + '.g{stroke:#818b98;opacity:.25}polyline{fill:none;stroke-width:1.5;opacity:.6}'
  + '.c0{stroke:#0969da;fill:#0969da}.c1{stroke:#bc4c00;fill:#bc4c00}.c2{stroke:#1a7f37;fill:#1a7f37}'
  + 'polyline.c0,polyline.c1,polyline.c2{fill:none}text.c0,text.c1,text.c2{stroke:none}'
  + '@media(prefers-color-scheme:dark){text{fill:#e6edf3}.c0{stroke:#58a6ff;fill:#58a6ff}'
  + '.c1{stroke:#f0883e;fill:#f0883e}.c2{stroke:#3fb950;fill:#3fb950}}'

/** A scale that has 0, and begins to count decades at `least`. */
function logScale (least, most) {
  const decades = Math.max(1, Math.ceil(Math.log10(most / least)))
  const ticks = [0, ...Array.from({ length: decades + 1 }, (_, index) => least * 10 ** index)]
  return { ticks, of: value => value < least ? 0 : (1 + Math.log10(value / least)) / (decades + 1) }
}

function linearScale (least, most) {
  const step = [1, 2, 5, 10, 20, 50, 100].find(one => (most - least) / one <= 8) ?? 200
  const from = Math.floor(least / step) * step
  const to = Math.max(from + step, Math.ceil(most / step) * step)
  const ticks = Array.from({ length: Math.round((to - from) / step) + 1 }, (_, index) => from + index * step)
  return { ticks, of: value => (value - from) / (to - from) }
}

const escape = text => String(text).replaceAll('&', '&amp;').replaceAll('<', '&lt;')
const rounded = value => String(Math.round(value * 10) / 10)
const shown = value => value >= 1e6 ? `${value / 1e6}M` : value >= 1000 ? `${value / 1000}k` : String(value)

/**
 * A frontier: what a setting costs from left to right, what it brings from top to bottom, a point for each value.
 *
 * @param lines each with a `name`, and `points` with `x`, `y`, `label` and `isUsual`, which is drawn larger
 */
export function frontier ({ title, x, y, lines, isLog }) {
  const all = lines.flatMap(({ points }) => points)
  const across = linearScale(Math.min(...all.map(point => point.x)), Math.max(...all.map(point => point.x)))
  const most = Math.max(...all.map(point => point.y))
  const up = isLog ? logScale(1, Math.max(10, most)) : linearScale(0, most)
  const { width, height, left, right, top, bottom } = size
  const toX = value => left + across.of(value) * (width - left - right)
  const toY = value => height - bottom - up.of(value) * (height - top - bottom)
  const parts = [
    `<text class="t" x="${left}" y="22">${escape(title)}</text>`,
    ...lines.map(({ name }, index) =>
      `<circle class="${colours[index]}" cx="${left + 6 + index * 210}" cy="42" r="4"/>`
        + `<text x="${left + 15 + index * 210}" y="46">${escape(name)}</text>`),
    ...up.ticks.map(tick =>
      `<line class="g" x1="${left}" x2="${width - right}" y1="${rounded(toY(tick))}" y2="${rounded(toY(tick))}"/>`
        + `<text text-anchor="end" x="${left - 6}" y="${rounded(toY(tick) + 4)}">${shown(tick)}</text>`),
    ...across.ticks.map(tick =>
      `<text text-anchor="middle" x="${rounded(toX(tick))}" y="${height - bottom + 18}">${shown(tick)}</text>`),
    `<line class="a" x1="${left}" x2="${width - right}" y1="${height - bottom}" y2="${height - bottom}"/>`,
    `<text text-anchor="middle" x="${(left + width - right) / 2}" y="${height - 12}">${escape(x)}</text>`,
    `<text text-anchor="middle" transform="rotate(-90)" x="${-(height - bottom + top) / 2}" y="16">${escape(y)}</text>`,
    ...lines.flatMap(({ points }, index) => draw(points, index, toX, toY))
  ]
  return `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${width} ${height}" role="img">`
    + `<title>${escape(title)}</title><style>${style}</style>\n${parts.join('\n')}\n</svg>\n`
}

function draw (points, index, toX, toY) {
  const colour = colours[index]
  const at = points.map(point => ({ ...point, x: rounded(toX(point.x)), y: rounded(toY(point.y)) }))
  return [
    `<polyline class="${colour}" points="${at.map(({ x, y }) => `${x},${y}`).join(' ')}"/>`,
    ...at.map(({ x, y, isUsual }) => `<circle class="${colour}" cx="${x}" cy="${y}" r="${isUsual ? 6 : 3}"/>`),
    ...groupsOf(at).map(({ x, y, first, last }) => {
      const isLeft = x > size.width - 70
      const label = first === last ? first : `${first} to ${last}`
      // On the axis the lines meet.
      const above = 6 + (y >= size.height - size.bottom ? 14 * index : 0)
      const place = isLeft ? `text-anchor="end" x="${x - 7}"` : `x="${x + 7}"`
      return `<text class="${colour}" ${place} y="${y - above}">${escape(label)}</text>`
    })
  ]
}

/** Neighbours that are too close for a label each. */
function groupsOf (points) {
  const groups = []
  for (const { x, y, label } of points) {
    const group = groups.at(-1)
    const isNear = group !== undefined && Math.abs(x - group.x) < 30 && Math.abs(y - group.y) < 14
    if (isNear) group.last = label
    else groups.push({ x: Number(x), y: Number(y), first: label, last: label })
  }
  return groups
}
