// The outcome of judging one request, with what a user needs to understand it.
import type { Direction } from '../policy/network-policy.ts'

export interface Verdict {
  readonly allowed: boolean
  /** Name of the rule that allowed it; of the policy that lacked a matching rule otherwise; '' when none. */
  readonly rule: string
  readonly reason: VerdictReason
  /** Whose policy decided: `ingress` the destination endpoint's, `egress` the source endpoint's. */
  readonly direction: Direction
}

export const VERDICT_REASONS = {
  RULE_MATCHED: 'An L7 rule allows the request.',
  NO_L7_RULES: 'No endpoint involved restricts this port at L7.',
  NO_RULE_MATCHED: 'L7 rules restrict this port and none matches the request.',
  PEER_NOT_ALLOWED: 'No rule of the port admits this peer.',
  DENY_RULE: 'A deny rule covers this peer and port.',
  UNPARSEABLE: 'The bytes are no valid message of the protocol; no rule could judge them.',
  ENDPOINT_UNKNOWN: 'The snapshot holds no policy for a local endpoint of this connection.',
} as const
export type VerdictReason = keyof typeof VERDICT_REASONS
