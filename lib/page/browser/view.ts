import type { RequestStatus, Status } from '../../status/model.ts'
import type { CheckStatus } from '../../status/checks.ts'
import type { ChildStatus, SupervisorStatus } from '../../supervisor/parent/overview.ts'
import type { Envelope } from '../viewers.ts'
import type { PageDocument, PageElement } from './dom.ts'

declare const document: PageDocument

/** What is known of an event loop from outside of it. */
export interface EventLoop {
  /** Milliseconds since it turned last. */
  silence: number
  blocked: boolean
  /** See {@link Anchored}. */
  from?: number
  /** The function that holds it. */
  blockedIn?: string | undefined
}

/** When an item with an age began. A change omits what only grew older: ages count from the event they came in. */
export interface Anchored { from?: number | undefined }

/** An application of a child. */
export interface ShownApplication extends Omit<Status, 'requests'> { requests: Array<RequestStatus & Anchored> }

/** A child of a supervisor. */
export interface ShownChild extends Omit<ChildStatus, 'applications'> { applications?: ShownApplication[] | undefined }

/** The state that is shown: of an application, of a supervisor, or what the watchdog knows; and what precedes it. */
export interface Shown extends
  Partial<Envelope>,
  Partial<Omit<Status, keyof Envelope | 'requests' | 'checks'>>,
  Partial<Omit<SupervisorStatus, keyof Status | 'children'>> {
  requests?: Array<RequestStatus & Anchored>
  checks?: Array<CheckStatus & Anchored>
  eventLoop?: EventLoop
  children?: ShownChild[]
  /** Of a supervisor, at its end. */
  exitCode?: number
}

/** What the page keeps. */
export interface View {
  state: Shown
  /** By how much the service's clock is ahead of the browser's, in milliseconds. */
  ahead: number
  /** The service's time at which the connection ended; undefined while it is open. */
  frozen: number | undefined
  /** What each part was drawn from. */
  drawn: Map<string, string>
}

/** Ties the ages of an event to its time. */
export function anchor (data: Shown): Shown {
  const { at = 0, requests, checks, eventLoop, children } = data
  const tie = <T extends { age: number | undefined }>(item: T): T & Anchored =>
    ({ ...item, from: item.age === undefined ? undefined : at - item.age })
  return {
    ...data,
    ...requests && { requests: requests.map(tie) },
    ...checks && { checks: checks.map(tie) },
    ...children && {
      children: children.map((child) => {
        const applications = child.applications?.map((one) => ({ ...one, requests: one.requests.map(tie) }))
        return { ...child, applications }
      })
    },
    ...eventLoop && { eventLoop: { ...eventLoop, from: at - eventLoop.silence } }
  }
}

/** The service's time, in milliseconds since 1970; it stands still where nothing is heard of it. */
export function timeOf (view: View): number {
  return view.frozen ?? Date.now() + view.ahead
}

/** A child of {@link element}. */
export type Child = PageElement | string | undefined | false

/** Makes an element. Text is text, whatever is in it. */
export function element (
  tag: string,
  attributes: Record<string, string | number | undefined>,
  ...children: Child[]
): PageElement {
  const made = document.createElement(tag)
  for (const [name, value] of Object.entries(attributes)) {
    if (value !== undefined) made.setAttribute(name, String(value))
  }
  made.append(...children.filter((child) => child !== undefined && child !== false))
  return made
}

/** The element of an id that the page has. */
export function find (id: string): PageElement {
  return document.getElementById(id) as PageElement
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

/** A word with a sign in front of it, which is there for the eye alone. */
export function signed (sign: string, word: string, kind: string): PageElement {
  return element('span', { class: `sign ${kind}` },
    element('span', { class: 'glyph', 'aria-hidden': 'true' }, sign),
    word)
}

/** Text that grows with the time since `from`, or shrinks towards `to`. */
export function ticking (point: { from?: number | undefined, to?: number | undefined }): PageElement {
  return element('span', {
    class: 'number',
    'data-from': point.from === undefined ? undefined : Math.round(point.from),
    'data-to': point.to === undefined ? undefined : Math.round(point.to)
  })
}

/** A bar that is full `span` milliseconds after `from`. */
export function tickingBar (from: number, span: number): PageElement {
  return element('span', { class: 'fill', 'data-bar': Math.round(from), 'data-span': Math.round(span) })
}

/** A bar that stands still. */
export function bar (part: number): PageElement {
  return element('span', { class: 'fill', 'data-part': Math.max(0, Math.min(1, part)).toFixed(4) })
}

/** Brings all that follows the time up to date. */
export function tick (view: View): void {
  const now = timeOf(view)
  for (const node of document.querySelectorAll('[data-from]')) {
    setText(node, running(now - Number(node.dataset['from'])))
  }
  for (const node of document.querySelectorAll('[data-to]')) setText(node, running(Number(node.dataset['to']) - now))
  for (const node of document.querySelectorAll('[data-bar]')) {
    node.style.width = percent((now - Number(node.dataset['bar'])) / Number(node.dataset['span']))
  }
  for (const node of document.querySelectorAll('[data-part]')) node.style.width = percent(Number(node.dataset['part']))
  for (const node of document.querySelectorAll('[data-left]')) node.style.left = percent(Number(node.dataset['left']))
}

/** Writes a text where it is another one. */
export function setText (node: PageElement, text: string): void {
  if (node.textContent !== text) node.textContent = text
}

/** A share as a style wants it. */
export function percent (share: number): string {
  return `${(100 * Math.max(0, Math.min(1, share))).toFixed(1)}%`
}

/** A time span in words. */
export function duration (milliseconds: number): string {
  const ms = Math.max(0, milliseconds)
  if (ms < 1000) return `${Math.round(ms)} ms`
  if (ms < 60_000) return `${(Math.floor(ms / 100) / 10).toFixed(1)} s`
  const units = [ms / 86_400_000, ms / 3_600_000 % 24, ms / 60_000 % 60, ms / 1000 % 60]
  const [days, hours, minutes, seconds] = units.map(Math.floor)
  if (ms < 3_600_000) return `${minutes} min ${seconds} s`
  return ms < 86_400_000 ? `${hours} h ${minutes} min` : `${days} d ${hours} h`
}

/** A time span that changes while it is looked at: milliseconds would only flicker. */
export function running (milliseconds: number): string {
  return milliseconds < 1000
    ? `${(Math.max(0, Math.floor(milliseconds / 100)) / 10).toFixed(1)} s`
    : duration(milliseconds)
}

/** A time span that was given: whole seconds have no decimals. */
export function given (milliseconds: number): string {
  return milliseconds >= 1000 && milliseconds < 60_000
    ? `${Number((milliseconds / 1000).toFixed(1))} s`
    : duration(milliseconds)
}

/** A time of day, in the reader's own zone. */
export function timeOfDay (epoch: number): string {
  return new Date(epoch).toLocaleTimeString()
}

/** Equal items once, with their number: ten of them at most, and how many more items there are. */
export function group<T> (items: T[]): { shown: Array<[item: T, count: number]>, more: number } {
  const groups = new Map<string, [T, number]>()
  for (const item of items) {
    const key = JSON.stringify(item)
    groups.set(key, [item, (groups.get(key)?.[1] ?? 0) + 1])
  }
  const shown = [...groups.values()].slice(0, 10)
  return { shown, more: items.length - shown.reduce((sum, [, count]) => sum + count, 0) }
}

/** How often there is what was grouped. */
export function times (count: number): string {
  return count === 1 ? '' : ` ×${count}`
}

/** Names in one line. */
export function namesOf (names: string[]): string {
  const { shown, more } = group(names)
  return shown.map(([name, count]) => `${name}${times(count)}`).join(', ') + (more > 0 ? ` and ${more} more` : '')
}

/** A number of things in words. */
export function amount (count: number, thing: string): string {
  return `${count} ${thing}${count === 1 ? '' : 's'}`
}
