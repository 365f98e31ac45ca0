/** Characters that no XML may hold, half a surrogate pair among them. */
// oxlint-disable-next-line no-control-regex -- that is what is meant
const unfit = /[\u0000-\u0008\u000B\u000C\u000E-\u001F\u007F-\u009F\uD800-\uDFFF\uFFFE\uFFFF]/gu
const named: Readonly<Record<string, string>> = { '&': '&amp;', '<': '&lt;', '>': '&gt;', '"': '&quot;', "'": '&#39;' }

/** Text as content or attribute of XML and HTML; what neither may hold becomes a replacement character. */
function escaped (text: string): string {
  return text.replaceAll(unfit, '\uFFFD').replaceAll(/[&<>"']/g, (character) => named[character] ?? '')
    .replaceAll('\r', '&#13;')
}

/** What is markup already. */
export class Markup {
  readonly text: string

  constructor (text: string) {
    this.text = text
  }
}

type Part = Markup | string | number | readonly Part[]

function write (part: Part): string {
  if (typeof part !== 'object') return escaped(String(part))
  return part instanceof Markup ? part.text : part.map(write).join('')
}

/** A template of markup: what is put into it is text, unless it is markup itself. */
export function markup (texts: TemplateStringsArray, ...parts: Part[]): Markup {
  return new Markup(texts.reduce((whole, text, index) => whole + write(parts[index - 1]!) + text))
}
