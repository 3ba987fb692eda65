// What a judge sees of one Kafka request, whatever the version on the wire.
import type { Verdict } from '../verdict.ts'

export interface KafkaRequest {
  readonly apiKey: number
  readonly apiVersion: number
  /** '' = null. */
  readonly clientId: string
}

/** One thing that a request touches. A request that names nothing has exactly one access, which is empty. */
export interface KafkaAccess {
  readonly topic?: string
  readonly group?: string
  readonly transactionalId?: string
  /**
   * What the request names cannot be told: its API or version is not known, or it names a topic by an id that is
   * not known. Only rules without conditions on resources cover it.
   */
  readonly isUnread?: boolean
}

/** A request is allowed when each of its accesses is. */
export interface KafkaJudge {
  judge(request: KafkaRequest, access: KafkaAccess): Verdict
  /**
   * Whether a request of this API key, version and client must be read to be judged: no rule lets it through
   * whatever it touches. Then one of an unknown API or version is denied.
   */
  restrictsResources(request: KafkaRequest): boolean
}
