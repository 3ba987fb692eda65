// What both directions of one Kafka connection share: whose turn it is, and how it ends.
import { type FlowDirection, ORIGINAL, REPLY, type Steps } from '../parser.ts'
import type { KafkaCode } from './codes.ts'
import {
  AWAITED,
  BROKEN,
  CLOSING,
  DENIED,
  type KafkaExchange,
  Outstanding,
  type Slot,
  TOKEN,
} from './exchange.ts'
import { MAX_QUEUED_ANSWER_BYTES } from './limits.ts'
import type { KafkaJudge } from './request.ts'
import { SaslTokens } from './sasl.ts'
import { ShareSessions } from './share-sessions.ts'
import type { TopicIds } from './topic-ids.ts'

export interface KafkaOptions {
  /** Asked anew for each request: its answers may change from one to the next. */
  readonly judge: KafkaJudge
  /** Called once per request when its exchange is over. */
  readonly onExchange: (exchange: KafkaExchange) => void
  readonly steps: Steps
  /** Shared by the connections to one cluster. */
  readonly topicIds: TopicIds
  /** Where the client believes the broker to be: what it is told when it may not ask for metadata. */
  readonly broker: { readonly host: string; readonly port: number }
  /** Only look on: nothing is held back, answered or changed. */
  readonly observes?: boolean
}

export class KafkaConnection {
  readonly options: KafkaOptions
  readonly outstanding = new Outstanding()
  readonly shareSessions = new ShareSessions()
  nowMs = 0
  isDead = false
  /** Everything that still comes is dropped. */
  isClosed = false
  /** The server's bytes stand between two responses. */
  isBetweenResponses = true
  /** The next request waits for an answer that decides what it is. */
  isGated = false
  /** What follows is an authentication in the old form; undefined: requests. */
  tokens: SaslTokens | undefined
  #isOriginalFinished = false
  #isReplyFinished = false

  constructor(options: KafkaOptions) {
    this.options = options
  }

  get observes(): boolean {
    return this.options.observes === true
  }

  /** No further request may be looked at now. */
  get isBlocked(): boolean {
    const { outstanding } = this
    return this.isGated || outstanding.isFull || outstanding.queuedBytes > MAX_QUEUED_ANSWER_BYTES
  }

  /** Queue what is complete, or will be: its turn is taken no sooner. */
  push(slot: Slot): void {
    this.outstanding.push(slot)
  }

  /** `slot` is complete and has its answer. */
  setAnswer(slot: Slot, answer: Buffer | undefined): void {
    slot.answer = answer
    if (answer !== undefined) this.outstanding.queuedBytes += answer.length
  }

  /** The broker has answered SaslHandshake v0. */
  authenticate(mechanism: string | undefined): void {
    this.isGated = false
    this.tokens = mechanism === undefined ? undefined : new SaslTokens(mechanism)
  }

  /** The client goes on to requests: a mechanism may end without an answer to its last token. */
  endTokens(): void {
    this.tokens = undefined
    for (let slot = this.outstanding.first(); slot?.kind === TOKEN; slot = this.outstanding.first()) {
      this.outstanding.shift()
    }
  }

  /** Send what is due and ours, up to the next request that the broker has to answer. */
  takeTurns(): void {
    while (!this.isDead && !this.isClosed && this.isBetweenResponses) {
      const slot = this.outstanding.first()
      if (slot === undefined || !slot.isRequestDone) return
      switch (slot.kind) {
        case AWAITED:
        case TOKEN:
          return
        case DENIED:
          this.#sendAnswer(slot)
          this.settle(slot)
          break
        case BROKEN:
          this.#sendAnswer(slot)
          return this.fail(slot.record.error === '' ? 'KAFKA_CONNECTION_LOST' : slot.record.error)
        case CLOSING:
          return this.closeBoth('KAFKA_CONNECTION_LOST')
      }
    }
  }

  /** The first exchange is over. */
  settle(slot: Slot): void {
    this.outstanding.shift()
    this.report(slot)
  }

  report(slot: Slot): void {
    if (slot.kind === TOKEN) return
    slot.record.endedMs = this.nowMs
    this.options.onExchange(slot.record)
  }

  /** No exchange goes on: record them all, with `code` where an answer is missing. */
  abandon(code: KafkaCode): void {
    for (let slot = this.outstanding.first(); slot !== undefined; slot = this.outstanding.first()) {
      const isAnswered = slot.kind === CLOSING || (slot.kind === DENIED && slot.isRequestDone)
      if (slot.record.error === '' && !isAnswered) slot.record.error = code
      this.settle(slot)
    }
  }

  fail(code: KafkaCode): void {
    if (this.isDead) return
    this.isDead = true
    this.abandon(code)
    this.options.steps.error(code)
  }

  /** An orderly end, in both directions. */
  closeBoth(code: KafkaCode): void {
    this.abandon(code)
    this.isClosed = true
    this.finish(REPLY)
    this.finish(ORIGINAL)
  }

  finish(direction: FlowDirection): void {
    if (direction === ORIGINAL ? this.#isOriginalFinished : this.#isReplyFinished) return
    if (direction === ORIGINAL) this.#isOriginalFinished = true
    else this.#isReplyFinished = true
    this.options.steps.finish(direction)
  }

  #sendAnswer({ answer, record }: Slot): void {
    if (answer === undefined) return
    this.outstanding.queuedBytes -= answer.length
    record.responseBytes = answer.length
    record.respondedMs = this.nowMs
    this.options.steps.inject(REPLY, answer)
  }
}
