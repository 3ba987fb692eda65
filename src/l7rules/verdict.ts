// The outcome of judging one request, with what a user needs to understand it.
import type { Direction } from '../policy/network-policy.ts'
import type { HeaderEdit } from './header-edits.ts'

/** Who decided what, and why. */
export interface Decision {
  readonly allowed: boolean
  /** Name of the rule that allowed it; of the policy that lacked a matching rule otherwise; '' when none. */
  readonly rule: string
  readonly reason: VerdictReason
  /** Whose policy decided: `ingress` the destination endpoint's, `egress` the source endpoint's. */
  readonly direction: Direction
}

/** Shared by all requests that it fits: frozen. */
export interface Verdict extends Decision {
  /** The denial from which only the mode `audit` of a rule saved the request. Never when denied. */
  readonly audit?: Decision | undefined
  /** What it would be if shadow rules were enforced, too. Only when some cover this connection. */
  readonly shadow?: Decision | undefined
  /** To be done to the headers when the request is forwarded. Never when denied. */
  readonly edits?: readonly HeaderEdit[] | undefined
  /** What header actions of the rules that allowed it, or that failed it, found. */
  readonly notes?: readonly HeaderNote[] | undefined
}

export interface HeaderNote {
  /** `missing`: an expected value was not there; `rejected`: a value was there that was not wanted. */
  readonly kind: 'missing' | 'rejected'
  readonly name: string
  /** One char per byte; repeated headers are joined by commas, secrets redacted. */
  readonly value: string
}

export const VERDICT_REASONS = {
  RULE_MATCHED: 'An L7 rule allows the request.',
  NO_L7_RULES: 'No endpoint involved restricts this port at L7.',
  NO_RULE_MATCHED: 'L7 rules restrict this port and none matches the request.',
  PEER_NOT_ALLOWED: 'No rule of the port admits this peer.',
  DENY_RULE: 'A deny rule covers this peer and port.',
  PROTOCOL_CONFLICT: 'Rules for requests of different protocols apply to this port and peer.',
  AUTHENTICATION: 'The request authenticates the client; no rule restricts that.',
  UNPARSEABLE: 'The bytes are no valid message of the protocol; no rule could judge them.',
  ENDPOINT_UNKNOWN: 'The snapshot holds no policy for a local endpoint of this connection.',
} as const
export type VerdictReason = keyof typeof VERDICT_REASONS

export function makeVerdict(
  allowed: boolean,
  rule: string,
  reason: VerdictReason,
  direction: Direction,
): Verdict {
  return Object.freeze({ allowed, rule, reason, direction })
}

/** The decision alone. */
export function decisionOf({ allowed, rule, reason, direction }: Decision): Decision {
  return { allowed, rule, reason, direction }
}

/** What a verdict would be if every rule were enforced. */
export function planOf(verdict: Verdict): Decision {
  return verdict.shadow ?? verdict.audit ?? verdict
}
