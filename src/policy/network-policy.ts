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

export interface PortRule {
  /** Which policy object the rule came from, e.g. `default/empire-landing ingress[0]`; shown to users. */
  readonly name: string
  /** Higher first; at equal precedence a deny comes first. */
  readonly precedence: number
  readonly deny: boolean
  /** Identities of the peer, sorted; undefined = any peer. */
  readonly remoteIdentities: readonly Identity[] | undefined
  /** undefined = no L7 restriction. An empty list matches no request. */
  readonly http: readonly HttpRule[] | undefined
}

/** Conditions are ANDed; an absent one matches everything. Regexes are RE2, matched against the whole string. */
export interface HttpRule {
  /** Shown to users, e.g. `default/empire-landing ingress[0].toPorts[0].rules.http[0]`. */
  readonly name: string
  readonly method?: string
  readonly path?: string
  readonly host?: string
  readonly headers: readonly HeaderRule[]
}

export interface HeaderRule {
  /** Lower case. */
  readonly name: string
  /** Exact value; undefined = the header must be present. */
  readonly value: string | undefined
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
