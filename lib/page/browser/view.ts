import type { Shown } from '../../status/shown.ts'
import { running, share } from '../../status/words.ts'

/** What the page keeps. */
export interface View {
  state: Shown
  /** By how much the service's clock is ahead of the browser's, in milliseconds. */
  ahead: number
  /** The service's time at which the connection ended; undefined while it is open. */
  frozen: number | undefined
  /** The data that each part of the page was drawn from, as JSON, by the part's id. */
  drawn: Map<string, string>
}

/** The service's time, in milliseconds since 1970; it stands still where nothing is heard of it. */
export function timeOf (view: View): number {
  return view.frozen ?? Date.now() + view.ahead
}

/** A child of {@link element}. */
export type Child = HTMLElement | string | undefined | false

/** Makes an element. Text is text, whatever is in it. */
export function element (
  tag: string,
  attributes: Record<string, string | number | undefined>,
  ...children: Child[]
): HTMLElement {
  const made = document.createElement(tag)
  for (const [name, value] of Object.entries(attributes)) {
    if (value !== undefined) made.setAttribute(name, String(value))
  }
  made.append(...children.filter((child) => child !== undefined && child !== false))
  return made
}

/** The element of an id that the page has. */
export function find (id: string): HTMLElement {
  return document.getElementById(id)!
}

/** Draws one part anew where what it is drawn from has changed; without anything to draw it from, it is hidden. */
export function draw (view: View, id: string, data: unknown, nodes: () => Child[]): void {
  const text = data === undefined ? '' : JSON.stringify(data)
  if (view.drawn.get(id) === text) return
  view.drawn.set(id, text)
  const part = find(id)
  const frame = document.getElementById(`${id}-card`) ?? part
  frame.hidden = data === undefined
  part.replaceChildren(...(data === undefined ? [] : nodes()).filter((node) => node !== undefined && node !== false))
}

/** A figure in large type, above what it means. */
export function figure (term: string, value: Child, kind?: string): HTMLElement {
  return element('div', { class: kind }, element('dt', {}, term), element('dd', { class: 'number' }, value))
}

/** A word with a sign in front of it, which is there for the eye alone. */
export function signed (sign: string, word: string, kind: string): HTMLElement {
  return element('span', { class: `sign ${kind}` },
    element('span', { class: 'glyph', 'aria-hidden': 'true' }, sign),
    word)
}

/** Text that grows with the time since `from`, or shrinks towards `to`. */
export function ticking (point: { from?: number | undefined, to?: number | undefined }): HTMLElement {
  return element('span', {
    class: 'number',
    'data-from': point.from === undefined ? undefined : Math.round(point.from),
    'data-to': point.to === undefined ? undefined : Math.round(point.to)
  })
}

/** A bar that is full `span` milliseconds after `from`. */
export function tickingBar (from: number, span: number): HTMLElement {
  return element('span', { class: 'fill', 'data-bar': Math.round(from), 'data-span': Math.round(span) })
}

/** A bar that stands still. */
export function bar (part: number, whole = 1): HTMLElement {
  return element('span', { class: 'fill', 'data-part': share(part, whole).toFixed(4) })
}

/** Brings all that follows the time up to date. */
export function tick (view: View): void {
  const now = timeOf(view)
  for (const [node, from] of timed('from')) setText(node, running(now - from))
  for (const [node, to] of timed('to')) setText(node, running(to - now))
  for (const [node, from] of timed('bar')) node.style.width = percent(now - from, Number(node.dataset['span']))
  for (const [node, part] of timed('part')) node.style.width = percent(part)
  for (const [node, left] of timed('left')) node.style.left = percent(left)
}

/** The elements that have such a number. */
function timed (name: string): Array<[node: HTMLElement, number: number]> {
  return [...document.querySelectorAll<HTMLElement>(`[data-${name}]`)].map((node) => [node, Number(node.dataset[name])])
}

/** Writes a text where it is another one. */
function setText (node: HTMLElement, text: string): void {
  if (node.textContent !== text) node.textContent = text
}

/** A part of a whole, as a style wants it. */
function percent (part: number, whole = 1): string {
  return `${(100 * share(part, whole)).toFixed(1)}%`
}

/** A time of day, in the reader's own zone. */
export function timeOfDay (epoch: number): string {
  return new Date(epoch).toLocaleTimeString()
}
