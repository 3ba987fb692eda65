// What the agent computes and the proxy enforces, per endpoint: the interface at which both meet.
// Same meaning as cilium.NetworkPolicy (proto/cilium/api/npds.proto); plain data, no behaviour.
import type { EndpointId, Identity, Revision } from '../lib/brands.ts'

/** Relative to the endpoint that the policy protects. */
export type Direction = 'ingress' | 'egress'

export interface NetworkPolicy {
  readonly endpointId: EndpointId
  readonly endpointIps: readonly string[]
  /** Empty = deny all. An unenforced direction holds one entry {port 0, no rules} = allow all. */
  readonly ingress: readonly PortPolicy[]
  readonly egress: readonly PortPolicy[]
}

export interface PortPolicy {
  /** 0 = any port: used when no other entry holds the port. */
  readonly port: number
  /** Last port of the range, inclusive; equal to `port` for a single port. */
  readonly endPort: number
  /** Empty = everybody may do everything on this port. */
  readonly rules: readonly PortRule[]
}

/**
 * What a rule may do. `enforce`: everything. `audit`: everything but deny: what only audit rules deny goes on
 * and is recorded. `shadow`: nothing: what it would change is recorded. docs/policy.md, "Modes".
 */
export type RuleMode = 'enforce' | 'audit' | 'shadow'

/** Allows, unless `deny` or `passPrecedence` says otherwise; never both. */
export interface PortRule {
  /** Which policy object the rule came from, e.g. `default/empire-landing ingress[0]`; shown to users. */
  readonly name: string
  /** u32, higher first; at equal precedence a deny comes first, a pass last. */
  readonly precedence: number
  readonly deny: boolean
  /**
   * The rule decides nothing itself: the next rule to ask is the first whose precedence is below this one.
   * At most `precedence`; 0 or absent = no pass. Rules in between must pass to the same one.
   */
  readonly passPrecedence?: number
  /** Listener that the rule is for, 1..65535; 0 or absent = any. */
  readonly proxyId?: number
  /** Identities of the peer, sorted; undefined = any peer. */
  readonly remoteIdentities: readonly Identity[] | undefined
  /** undefined = no L7 restriction. An empty list matches no request. Never with deny or pass. */
  readonly http: readonly HttpRule[] | undefined
  /** Absent = not for Kafka. An empty list matches no request. Never with `http`, deny or pass. */
  readonly kafka?: readonly KafkaRule[]
  /** Absent = enforce. */
  readonly mode?: RuleMode
}

/** Conditions are ANDed; an absent one matches everything. Regexes are RE2, matched against the whole string. */
export interface HttpRule {
  /** Shown to users, e.g. `default/empire-landing ingress[0].toPorts[0].rules.http[0]`. */
  readonly name: string
  readonly method?: string
  /** Origin form with query. */
  readonly path?: string
  /** Matched without case, against the host with and without its port. */
  readonly host?: string
  readonly headers: readonly HeaderRule[]
  /** What the fields above cannot say. */
  readonly matchers?: readonly HeaderMatcher[]
  /** Done once all conditions hold; each may make the rule fail after all. */
  readonly headerActions?: readonly HeaderAction[]
  /** Absent = that of the port rule. */
  readonly mode?: RuleMode
}

/**
 * Conditions are ANDed; an absent one matches everything. One on a topic, group or transactional id is ignored
 * for requests, or parts of them, that name none. Each thing that a request names must be covered, perhaps by
 * different rules.
 */
export interface KafkaRule {
  /** Shown to users, e.g. `default/orders ingress[0].toPorts[0].rules.kafka[0]`. */
  readonly name: string
  /** Sorted; roles are expanded. */
  readonly apiKeys?: readonly number[]
  readonly apiVersion?: number
  readonly clientId?: string
  /** Never with `topicPrefix`. */
  readonly topic?: string
  readonly topicPrefix?: string
  readonly group?: string
  readonly transactionalId?: string
  /** Absent = that of the port rule. */
  readonly mode?: RuleMode
}

/** Every occurrence of a header must meet the rule: one that does not may be the one that the server reads. */
export interface HeaderRule {
  /** Lower case. */
  readonly name: string
  /** Exact value; undefined = the header must be present. */
  readonly value: string | undefined
}

/** envoy.config.route.v3.HeaderMatcher. */
export interface HeaderMatcher {
  /** Lower case; `:method`, `:path` and `:authority` too. */
  readonly name: string
  readonly match: ValueMatch
  /**
   * Met when no occurrence, nor all of them joined, matches. A header that is missing does not meet even an
   * inverted matcher, unless the match is `present`.
   */
  readonly invert: boolean
  /** A header that is missing counts as one with an empty value. */
  readonly missingAsEmpty: boolean
}

export type ValueMatch =
  | { readonly kind: 'present' }
  /** The whole value, its beginning, its end, or any part of it. Case of ASCII letters only is ignored. */
  | {
      readonly kind: 'exact' | 'prefix' | 'suffix' | 'contains'
      readonly text: string
      readonly ignoreCase: boolean
    }
  | { readonly kind: 'regex'; readonly regex: string }
  /** A decimal integer in [start, end), both safe integers. */
  | { readonly kind: 'range'; readonly start: number; readonly end: number }

/** cilium.HeaderMatch: compare the values of a header, then act. */
export interface HeaderAction {
  /** Lower case. Headers that decide framing, routing or the connection cannot be changed. */
  readonly name: string
  /** '' = the header is present, whatever its value. */
  readonly value: string
  /** `delete` removes the header, all its occurrences. */
  readonly onMatch: 'continue' | 'fail' | 'delete'
  /** `add` appends an occurrence with `value`, `replace` puts one in the place of all others. */
  readonly onMismatch: 'fail' | 'continue' | 'add' | 'delete' | 'replace'
  /** Keep the value, and what came in its place, out of records. Absent = no. */
  readonly isSecret?: boolean
}

/** Names for numbers, so that proxies can write readable records. */
export interface EndpointInfo {
  readonly id: EndpointId
  readonly name: string
  readonly namespace: string
  readonly identity: Identity
  readonly addresses: readonly string[]
}

export interface IdentityInfo {
  readonly identity: Identity
  /** `source:key=value`, sorted. */
  readonly labels: readonly string[]
}

/** Everything that a proxy needs, replaced as a whole. */
export interface PolicySnapshot {
  readonly revision: Revision
  readonly policies: readonly NetworkPolicy[]
  readonly endpoints: readonly EndpointInfo[]
  readonly identities: readonly IdentityInfo[]
}
