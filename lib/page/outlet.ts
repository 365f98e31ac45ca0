/** Where events go: a reply of Node's HTTP server, or of its HTTP/2 server, whose head has been written. */
export interface Outlet {
  write (text: string): unknown
  end (): unknown
  destroy (): unknown
  on (event: 'close' | 'error', listener: () => void): unknown
  /** Undefined for HTTP/2, whose reply knows no such thing. */
  readonly destroyed?: boolean | undefined
  /** That of HTTP/2. */
  readonly stream?: { readonly destroyed: boolean }
  /** Bytes that the peer has not taken. */
  readonly writableLength: number
}

/** The head of a stream. The connection carries nothing after it, unless it is one of several of a session. */
export function streamHeaders (isOneOfSeveral: boolean): Record<string, string> {
  return {
    'content-type': 'text/event-stream; charset=utf-8',
    'cache-control': 'no-store',
    'x-content-type-options': 'nosniff',
    // For nginx, which would hold it back.
    'x-accel-buffering': 'no',
    ...!isOneOfSeveral && { connection: 'close' }
  }
}

/** Whether the peer has left: no 'close' will follow for who asks only now. */
export function isGone ({ destroyed, stream }: Pick<Outlet, 'destroyed' | 'stream'>): boolean {
  // A reply of HTTP/2 has no `destroyed`; one of HTTP/1 may have something of its owner's that is called `stream`.
  return destroyed ?? stream?.destroyed ?? false
}

/**
 * Whether an answer is the one that its connection sends now. What was asked for behind another answer, in one piece
 * with it, hears nothing of the connection's end, and behind one that lasts it is never sent.
 */
export function isInTurn (response: { readonly socket: unknown }): boolean {
  return response.socket !== null
}
