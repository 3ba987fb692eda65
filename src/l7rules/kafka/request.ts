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
}

export interface KafkaJudge {
  /** A request is allowed when each of its accesses is. */
  judge(request: KafkaRequest, access: KafkaAccess): Verdict
  /**
   * Some rule that applies to the request's API key, version and client id restricts topics, groups or ids, or no rule
   * applies without restrictions: a request whose accesses nobody can read must then be denied.
   */
  restrictsResources(request: KafkaRequest): boolean
}
