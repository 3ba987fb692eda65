// Entries of an endpoint's policy map, as plain data. Byte layout: src/redirect/layouts.ts.
import type { Identity } from '../lib/brands.ts'
import type { Direction } from './network-policy.ts'

/** audit: forward, and report that a rule which is not enforced would have denied it. */
export type PolicyMapVerdict = 'allow' | 'deny' | 'redirect' | 'audit'

/** What a policy map says of one peer; the same object for all peers of whom it says the same. */
export interface PeerEntry {
  /** IP protocol number; 0 = any, then `port` is 0 and `portBits` 0. */
  readonly protocol: number
  /** Destination port of the connection, host order; low bits beyond `portBits` are zero. For ICMP: the type. */
  readonly port: number
  /** Leading bits of the port that must match: 16 = this port, 0 = any port. */
  readonly portBits: number
  readonly verdict: PolicyMapVerdict
  /** Compared as u32 when an entry of this peer and one of any peer both match; higher wins. */
  readonly precedence: number
}

export interface PolicyMapEntry extends PeerEntry {
  /** Peer; 0 = any. */
  readonly identity: Identity
  readonly direction: Direction
}

/** Equal keys address the same slot of the map. */
export function policyMapKey(entry: PolicyMapEntry): string {
  return `${entry.identity}|${entry.direction}|${entry.protocol}|${entry.port}/${entry.portBits}`
}

/** Place of an entry among those of its peer, as one number: sorts by protocol, port, prefix length. */
export function slotOf(protocol: number, port: number, portBits: number): number {
  return (protocol * 0x1_0000 + port) * 32 + portBits
}
