// As much of a browser as the page uses. The types of a whole browser would be there for every file of the package.

/** An element. */
export interface PageElement {
  textContent: string | null
  className: string
  hidden: boolean
  readonly dataset: Record<string, string | undefined>
  readonly style: { width: string, left: string }
  append (...nodes: Array<PageElement | string>): void
  replaceChildren (...nodes: Array<PageElement | string>): void
  setAttribute (name: string, value: string): void
  addEventListener (type: string, listener: (event: { preventDefault (): void }) => void): void
}

/** A field of a form. */
export interface PageInput extends PageElement { value: string, focus (): void }

/** The document. */
export interface PageDocument {
  title: string
  readonly body: PageElement
  getElementById (id: string): PageElement | null
  createElement (tag: string): PageElement
  querySelectorAll (selector: string): Iterable<PageElement>
}
