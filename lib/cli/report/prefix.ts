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
