// Requests whose answer is due, in order.
import type { Verdict } from '../verdict.ts'
import type { ApiVersion } from './api.ts'
import type { KafkaCode } from './codes.ts'
import type { Edit } from './edit.ts'
import { MAX_OUTSTANDING } from './limits.ts'
import type { KafkaRequest } from './request.ts'

/** One finished exchange. */
export interface KafkaExchange {
  readonly request: KafkaRequest
  readonly correlationId: number
  /** What was denied, or else what it names first; '' = no topic. */
  readonly topic: string
  /** Of our answer, or of the part of it that is ours; 0 = nothing was denied. */
  readonly errorCode: number
  readonly verdict: Verdict
  /** '' or the code that ended the connection. */
  readonly error: KafkaCode | ''
  readonly requestBytes: number
  readonly responseBytes: number
  readonly startedMs: number
  readonly endedMs: number
  /** When the answer began; 0 = it never did. */
  readonly respondedMs: number
}

/** Forwarded: the broker answers. */
export const AWAITED = 0
/** Answered by us in its turn. */
export const DENIED = 1
/** In its turn the connection ends, after `answer` if there is one. */
export const BROKEN = 2
/** In its turn the connection is closed in an orderly way: a denied request that asked for no answer. */
export const CLOSING = 3
/** Part of an authentication in the old form: the answer has no correlation id. */
export const TOKEN = 4
type Kind = typeof AWAITED | typeof DENIED | typeof BROKEN | typeof CLOSING | typeof TOKEN

type Mutable<T> = { -readonly [Key in keyof T]: T[Key] }

export const MALFORMED: Verdict = { allowed: false, rule: '', reason: 'UNPARSEABLE', direction: 'ingress' }

export class Slot {
  readonly record: Mutable<KafkaExchange>
  kind: Kind = AWAITED
  /** undefined: not known. */
  api: ApiVersion | undefined
  /** Of a DENIED or BROKEN one. */
  answer: Buffer | undefined
  /** What is done to the answer of the broker. */
  edit: Edit | undefined
  isRequestDone = false

  constructor(request: KafkaRequest, correlationId: number, startedMs: number) {
    this.record = {
      request,
      correlationId,
      topic: '',
      errorCode: 0,
      verdict: MALFORMED,
      error: '',
      requestBytes: 0,
      responseBytes: 0,
      startedMs,
      endedMs: 0,
      respondedMs: 0,
    }
  }
}

export class Outstanding {
  /** Of answers of ours. */
  queuedBytes = 0
  #slots: Slot[] = []
  #head = 0

  get count(): number {
    return this.#slots.length - this.#head
  }

  get isFull(): boolean {
    return this.count >= MAX_OUTSTANDING
  }

  /** The one whose answer is due. */
  first(): Slot | undefined {
    return this.#slots[this.#head]
  }

  push(slot: Slot): void {
    this.#slots.push(slot)
  }

  shift(): void {
    this.#head++
    if (this.#head < 64 && this.#head < this.#slots.length) return
    this.#slots = this.#slots.slice(this.#head)
    this.#head = 0
  }
}
