// Judges what Kafka requests touch, of connections under the same rules: both endpoints must allow.
import type { KafkaAccess, KafkaJudge, KafkaRequest } from './kafka/request.ts'
import type { KafkaJudgement } from './kafka-side.ts'
import { joinSides } from './moded-side.ts'
import type { Verdict } from './verdict.ts'

const UNREAD: KafkaAccess = { isUnread: true }

export class AccessJudge implements KafkaJudge {
  readonly #first: KafkaJudgement
  readonly #second: KafkaJudgement | undefined

  /** @param second asked when `first` allows. */
  constructor(first: KafkaJudgement, second?: KafkaJudgement) {
    this.#first = first
    this.#second = second
  }

  judge(request: KafkaRequest, access: KafkaAccess): Verdict {
    const first = this.#first.judge(request, access)
    if (this.#second === undefined || (!first.allowed && first.shadow?.allowed !== true)) return first
    return joinSides(first, this.#second.judge(request, access))
  }

  restrictsResources(request: KafkaRequest): boolean {
    return !this.judge(request, UNREAD).allowed
  }
}
