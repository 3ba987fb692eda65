// What rules see of a Kafka request, and who judges it.
import type { Verdict } from '../verdict.ts'

/** The header of a request, as every API and version has it. */
export interface KafkaRequest {
  readonly apiKey: number
  readonly apiVersion: number
  /** '' = null. */
  readonly clientId: string
}

/**
 * One thing that a request touches: a topic, a group, a transactional id, or some of them together. A request that
 * names nothing has exactly one access, without any.
 */
export interface KafkaAccess {
  readonly topic?: string
  readonly group?: string
  readonly transactionalId?: string
  /** What it touches is not known. Only rules without conditions on topics, groups and ids cover it. */
  readonly isUnread?: boolean
}

export interface KafkaJudge {
  /** A request is allowed when each of its accesses is. */
  judge(request: KafkaRequest, access: KafkaAccess): Verdict
  /**
   * No rule lets every request of this API key, version and client id through, whatever it touches: one whose
   * accesses nobody can read must then be denied. What an access with `isUnread` is judged.
   */
  restrictsResources(request: KafkaRequest): boolean
}
