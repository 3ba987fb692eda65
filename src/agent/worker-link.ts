// The agent's end of one worker's stream: at most one snapshot unanswered, the newest one waiting behind it.
import type { ServerDuplexStream } from '@grpc/grpc-js'
import type { Snapshot } from '../gen/weir/v1/Snapshot.ts'
import type { AgentMessage } from '../gen/weir/v1/AgentMessage.ts'
import type { Ack__Output } from '../gen/weir/v1/Ack.ts'
import type { WorkerMessage__Output } from '../gen/weir/v1/WorkerMessage.ts'

export type WorkerStream = ServerDuplexStream<WorkerMessage__Output, AgentMessage>

/** The answer of a worker to a snapshot; `gone` = its stream ended before it answered. */
export type Outcome = { readonly kind: 'acked' } | { readonly kind: 'refused'; readonly error: string } | Gone
type Gone = { readonly kind: 'gone' }

interface Waiter {
  readonly revision: number
  readonly settle: (outcome: Outcome) => void
}

/**
 * Sends one snapshot at a time. A worker that is slow to apply thus skips what was superseded meanwhile,
 * and memory stays bounded by two snapshots.
 */
export class WorkerLink {
  readonly slot: number
  readonly pid: number
  readonly version: string
  /** Last revision in force at the worker; 0 = none of this agent. */
  revision = 0
  /** Why the last snapshot was refused; '' when it was not. */
  error = ''

  readonly #stream: WorkerStream
  #unanswered: number | undefined
  #next: Snapshot | undefined
  #waiters: Waiter[] = []

  constructor(stream: WorkerStream, hello: { slot: number; pid: number; version: string }) {
    this.#stream = stream
    this.slot = hello.slot
    this.pid = hello.pid
    this.version = hello.version
  }

  /** Revisions must grow. `settle` is called once, when the worker answered this snapshot or a later one. */
  send(snapshot: Snapshot & { revision: number }, settle: (outcome: Outcome) => void): void {
    this.#waiters.push({ revision: snapshot.revision, settle })
    this.#next = snapshot
    this.#sendNext()
  }

  /** @returns false when the worker answers what it was not asked. */
  onAck(ack: Ack__Output): boolean {
    if (ack.revision !== this.#unanswered) return false
    this.#unanswered = undefined
    this.error = ack.error
    if (ack.error === '') this.revision = ack.revision
    this.#settleUpTo(
      ack.revision,
      ack.error === '' ? { kind: 'acked' } : { kind: 'refused', error: ack.error },
    )
    this.#sendNext()
    return true
  }

  /** `id` comes back with the last batch of the worker's past. */
  requestFlows(id: number, follow: boolean): void {
    this.#stream.write({ flowRequest: { id, follow } })
  }

  /** The stream has ended or is about to be: nobody will answer any more. */
  close(): void {
    this.#next = undefined
    this.#settleUpTo(Infinity, { kind: 'gone' })
    this.#stream.end()
  }

  #sendNext(): void {
    if (this.#unanswered !== undefined || this.#next === undefined) return
    this.#unanswered = Number(this.#next.revision)
    this.#stream.write({ snapshot: this.#next })
    this.#next = undefined
  }

  #settleUpTo(revision: number, outcome: Outcome): void {
    const settled = this.#waiters.filter((waiter) => waiter.revision <= revision)
    this.#waiters = this.#waiters.filter((waiter) => waiter.revision > revision)
    for (const waiter of settled) waiter.settle(outcome)
  }
}
