import type { ServerResponse } from 'node:http'
import type { FollowedReplies } from './followed-replies.ts'

/** What Envoy reads from any reply: its host counts as failed at once, where the cluster is actively health-checked. */
const immediateFail = 'x-envoy-immediate-health-check-fail'

/** Tells Envoy with each reply that this host leaves. */
export class EnvoySignal {
  readonly #followed: FollowedReplies
  readonly #enabled: boolean
  #telling = false

  constructor (followed: FollowedReplies, enabled: boolean) {
    this.#followed = followed
    this.#enabled = enabled
  }

  /** From now on; replies in flight whose head is not sent are included. */
  tell (): void {
    if (!this.#enabled || this.#telling) return
    this.#telling = true
    this.again()
  }

  /** More replies are followed than when it began. */
  again (): void {
    for (const { reply } of this.#followed.tracked()) this.mark(reply)
  }

  /** Phase 1 was undone. */
  undo (): void {
    this.#telling = false
  }

  /** A reply has begun. Set on the raw one, so that hijacked replies carry it, too. */
  mark (reply: ServerResponse): void {
    if (this.#telling && !reply.headersSent && !reply.destroyed) reply.setHeader(immediateFail, 'true')
  }
}
