// What became of an exchange: the judge's verdict and how its connection went, in the words of flow records.
import type { FlowVerdict } from '../lib/flow.ts'
import type { Decision, Verdict } from '../l7rules/verdict.ts'

/** Codes of a connection that somebody else ended: Weir dropped nothing. */
const ENDED_BY_PEER: ReadonlySet<string> = new Set([
  'HTTP_CONNECTION_LOST',
  'HTTP_UPSTREAM_CLOSED',
  'HTTP_BODY_TRUNCATED',
  'HTTP2_CLIENT_RESET',
  'HTTP2_SERVER_RESET',
  'KAFKA_CONNECTION_LOST',
  'KAFKA_UPSTREAM_CLOSED',
  'KAFKA_REQUEST_TRUNCATED',
])

export function isEndedByPeer(error: string): boolean {
  return ENDED_BY_PEER.has(error)
}

export interface Outcome {
  readonly verdict: FlowVerdict
  readonly dropReason: string
  /** Code of the parser, or the reason of the judge. */
  readonly reason: string
  /** What decided; with AUDIT what would have. */
  readonly decision: Decision
}

/**
 * A parse error drops whatever the judge said. A denial stays a denial when the peer goes away; an allowed
 * exchange that a peer cut short is an ERROR, because nothing was dropped here. An audited denial reads as
 * the denial would, but for the verdict.
 */
export function outcomeOf(verdict: Verdict, error: string): Outcome {
  const { audit, reason } = verdict
  if (error !== '' && !ENDED_BY_PEER.has(error))
    return { verdict: 'DROPPED', dropReason: error, reason: error, decision: verdict }
  if (!verdict.allowed) return { verdict: 'DROPPED', dropReason: 'POLICY_DENIED', reason, decision: verdict }
  if (audit !== undefined) return { verdict: 'AUDIT', dropReason: '', reason: audit.reason, decision: audit }
  if (error !== '') return { verdict: 'ERROR', dropReason: error, reason: error, decision: verdict }
  return { verdict: 'FORWARDED', dropReason: '', reason, decision: verdict }
}
