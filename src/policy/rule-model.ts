// Policies after admission, independent of the document format that they were written in.
import type { HttpRule } from './network-policy.ts'
import type { Selector } from './selector.ts'

/** One policy object that was admitted. */
export interface ParsedPolicy {
  /** `namespace/name`, unique among all policies. */
  readonly key: string
  readonly namespace: string
  readonly name: string
  readonly rules: readonly Rule[]
  /** The document that it was read from, as written. */
  readonly yaml: string
  readonly file: string
  /** First line of the document in the file, counted from 1. */
  readonly line: number
}

export interface Rule {
  /** Endpoints that the rule protects. */
  readonly subject: Selector
  readonly ingress: DirectionRules
  readonly egress: DirectionRules
}

export interface DirectionRules {
  /** What no element allows is denied for the subjects. False = the elements only add to what is allowed anyway. */
  readonly defaultDeny: boolean
  readonly elements: readonly RuleElement[]
}

/** Peers AND grants. Elements are ORed, those that deny come before those that allow. */
export interface RuleElement {
  /** `default/empire-landing ingress[0]`; shown to users. */
  readonly name: string
  readonly deny: boolean
  /** ORed; none = nobody. */
  readonly peers: readonly Selector[] | 'any'
  /** ORed; none = nothing. */
  readonly grants: readonly PortGrant[]
}

export interface PortGrant {
  readonly spans: readonly PortSpan[]
  /** undefined = no restriction at L7. Only with spans of TCP that do not include port 0. */
  readonly http: readonly HttpRule[] | undefined
}

export interface PortSpan {
  /** IP protocol number; ANY_PROTOCOL = all protocols, also those without ports, then the span is all ports. */
  readonly protocol: number
  /** 0 with `lastPort` LAST_PORT = every port. */
  readonly firstPort: number
  /** Inclusive. */
  readonly lastPort: number
}

export const ANY_PROTOCOL = 0
export const TCP = 6
export const UDP = 17
export const SCTP = 132
export const LAST_PORT = 65_535

export const EVERYTHING: PortSpan = { protocol: ANY_PROTOCOL, firstPort: 0, lastPort: LAST_PORT }

export function isEveryPort(span: PortSpan): boolean {
  return span.firstPort === 0 && span.lastPort === LAST_PORT
}
