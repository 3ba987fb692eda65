// Policies after admission, independent of the document format that they were written in.
import type { HttpRule, KafkaRule, RuleMode } from './network-policy.ts'
import type { Selector } from './selector.ts'

export type PolicyKind =
  'CiliumNetworkPolicy' | 'CiliumClusterwideNetworkPolicy' | 'NetworkPolicy' | 'ClusterNetworkPolicy'

/** One policy object that was admitted. */
export interface ParsedPolicy {
  /** Unique among all policies: `namespace/name`, for other kinds than CiliumNetworkPolicy `Kind:[namespace/]name`. */
  readonly key: string
  readonly kind: PolicyKind
  /** '' = the policy belongs to no namespace. */
  readonly namespace: string
  readonly name: string
  readonly rules: readonly Rule[]
  /** Prefixes that its selectors name, canonical and unique: each needs an identity while the policy is in force. */
  readonly prefixes: readonly string[]
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
  /** Of the default deny. Absent = enforce. */
  readonly mode?: RuleMode
  readonly elements: readonly RuleElement[]
}

/** Peers AND grants. Elements are ORed; which decides a flow that several match is up to their precedence. */
export interface RuleElement {
  /** `default/empire-landing ingress[0]`; shown to users. */
  readonly name: string
  /** pass: the next tier decides. */
  readonly action: 'allow' | 'deny' | 'pass'
  /** See precedence.ts. */
  readonly level: number
  /** Absent = enforce. */
  readonly mode?: RuleMode
  /** ORed; none = nobody. */
  readonly peers: readonly Selector[] | 'any'
  /** ORed; none = nothing. */
  readonly grants: readonly PortGrant[]
}

export interface PortGrant {
  readonly spans: readonly PortSpan[]
  /** Ports by name: of the subject on ingress, of each peer on egress. A name that is not known grants nothing. */
  readonly named: readonly NamedPort[]
  /** undefined = no restriction at L7. Only with TCP, and not on every port. */
  readonly http: readonly HttpRule[] | undefined
  /** Absent = not for Kafka. As `http`, and never beside it. */
  readonly kafka?: readonly KafkaRule[]
}

export interface PortSpan {
  /** IP protocol number; ANY_PROTOCOL = all protocols, also those without ports, then the span is all ports. */
  readonly protocol: number
  /** 0 with `lastPort` LAST_PORT = every port. For ICMP: the type. */
  readonly firstPort: number
  /** Inclusive. */
  readonly lastPort: number
}

export interface NamedPort {
  /** Lower case. */
  readonly name: string
  readonly protocol: number
}

/** A port that an endpoint gives a name. */
export interface PortName extends NamedPort {
  readonly port: number
}

export const ANY_PROTOCOL = 0
export const ICMP = 1
export const TCP = 6
export const UDP = 17
export const ICMPV6 = 58
export const SCTP = 132
export const LAST_PORT = 65_535

export const EVERYTHING: PortSpan = { protocol: ANY_PROTOCOL, firstPort: 0, lastPort: LAST_PORT }
export const EVERY_PORT: PortGrant = { spans: [EVERYTHING], named: [], http: undefined }

export function isEveryPort(span: PortSpan): boolean {
  return span.firstPort === 0 && span.lastPort === LAST_PORT
}
