// Entries of an endpoint's policy map, as plain data. Byte layout: src/redirect/layouts.ts.
import type { Identity } from '../lib/brands.ts'
import type { Direction } from './network-policy.ts'

export type PolicyMapVerdict = 'allow' | 'deny' | 'redirect'

export interface PolicyMapEntry {
  /** Peer; 0 = any. */
  readonly identity: Identity
  readonly direction: Direction
  /** IP protocol number; 0 = any, then `port` is 0 and `portBits` 0. */
  readonly protocol: number
  /** Destination port of the connection, host order; low bits beyond `portBits` are zero. */
  readonly port: number
  /** Leading bits of the port that must match: 16 = this port, 0 = any port. */
  readonly portBits: number
  readonly verdict: PolicyMapVerdict
  /** Compared as u32 when an entry of this peer and one of any peer both match; higher wins. */
  readonly precedence: number
}

/** Equal keys address the same slot of the map. */
export function policyMapKey(entry: PolicyMapEntry): string {
  return `${entry.identity}|${entry.direction}|${entry.protocol}|${entry.port}/${entry.portBits}`
}
