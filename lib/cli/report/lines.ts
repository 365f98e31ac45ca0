/** Bytes of a line; a longer one is skipped. An answer of Loki is one line, with up to 5000 lines of logs in it. */
export const longestLine: number = 16 * 2 ** 20

/** Cuts bytes that come in pieces into lines. It holds one line at most. */
export class LineSplitter {
  readonly #line: (text: string) => void
  readonly #longest: number
  #pieces: Buffer[] = []
  #length = 0
  /** How many lines were too long. */
  tooLong = 0

  /** @param line called with each line, without its end */
  constructor (line: (text: string) => void, longest: number = longestLine) {
    this.#line = line
    this.#longest = longest
  }

  push (chunk: Buffer): void {
    let from = 0
    for (let end = chunk.indexOf(10); end !== -1; end = chunk.indexOf(10, from)) {
      this.#keep(chunk.subarray(from, end))
      this.#finish()
      from = end + 1
    }
    if (from < chunk.length) this.#keep(chunk.subarray(from))
  }

  /** The last line may have no end. */
  end (): void {
    if (this.#length > 0) this.#finish()
  }

  #keep (piece: Buffer): void {
    this.#length += piece.length
    if (this.#length > this.#longest) this.#pieces = []
    else this.#pieces.push(piece)
  }

  #finish (): void {
    const [first, ...others] = this.#pieces
    const isTooLong = this.#length > this.#longest
    const bytes = others.length === 0 ? first : Buffer.concat(this.#pieces)
    this.#pieces = []
    this.#length = 0
    if (isTooLong) this.tooLong++
    else this.#line((bytes?.toString() ?? '').replace(/\r$/, '').replace(/^\uFEFF/, ''))
  }
}

/** What stands before a line of a service: of kubectl, the kubelet, Docker Compose, logcli or the journal. */
export interface Prefixed {
  /** The line as the service wrote it. */
  text: string
  pod: string | undefined
  /** What tells one source of lines from another one in the same file. */
  source: string
  /** Whether it is a piece of a line whose rest follows. */
  isPiece: boolean
}

// oxlint-disable-next-line no-control-regex -- that is what is looked for
const colours = /\u001B\[[\d;]*m/g
/** `kubectl logs --prefix`. */
const ofKubectl = /^\[pod\/([^/\]]+)\/([^\]]*)\] ?/
const ofCompose = /^([\w.-]+) +\| /
const ofJournal = /^[A-Z][a-z]{2} [ \d]\d \d\d:\d\d:\d\d (\S+) [^\s:[]+(?:\[\d+\])?: /
/** `kubectl logs --timestamps`, `aws logs tail`, and what others begin with. */
const time = /^\d{4}-\d\d-\d\d[T ]\d\d:\d\d:\d\d(?:[.,]\d+)?(?:Z|[+-]\d\d:?\d\d)? /
/** In the kubelet's files (CRI). `P`: the rest of the line follows. */
const ofKubelet = /^(std(?:out|err)) ([FP])(?::\S*)? /
/** `logcli`. */
const ofLogcli = /^(\{[\w.]+="[^}]*\}) +/
const podLabel = /\b(?:pod|pod_name|k8s_pod_name)="([^"]+)"/

/** A line of the kubelet's that is not whole. */
const piece = /^\S{20,40} std(?:out|err) P/

/** Whether a line is no more than a piece of one. */
export function isPiece (line: string): boolean {
  return piece.test(line)
}

/** Takes off what the service has not written. */
export function readPrefix (line: string): Prefixed {
  let text = line.includes('\u001B') ? line.replaceAll(colours, '') : line
  const take = (pattern: RegExp): RegExpExecArray | null => {
    const found = pattern.exec(text)
    if (found !== null) text = text.slice(found[0].length)
    return found
  }
  const named = take(ofKubectl) ?? take(ofCompose) ?? take(ofJournal)
  const isTimed = take(time) !== null
  const kubelet = isTimed ? take(ofKubelet) : null
  const labels = isTimed ? take(ofLogcli) : null
  const pod = named?.[1] ?? (labels === null ? undefined : podLabel.exec(labels[1] ?? '')?.[1])
  return {
    text,
    pod,
    source: `${named?.[0] ?? labels?.[0] ?? ''}${kubelet?.[1] ?? ''}`,
    isPiece: kubelet?.[2] === 'P'
  }
}
