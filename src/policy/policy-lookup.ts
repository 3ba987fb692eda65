// What the kernel finds in a policy map: the look-up of bpf/include/policy.h, on plain entries.
import type { Identity } from '../lib/brands.ts'
import { ANY_IDENTITY } from './identity.ts'
import type { Direction } from './network-policy.ts'
import type { PolicyMapEntry } from './policy-map.ts'
import { PORT_BITS } from './port-prefixes.ts'
import { ICMP, ICMPV6, SCTP, TCP, UDP } from './rule-model.ts'

export interface PolicyQuery {
  readonly direction: Direction
  readonly peer: Identity
  /** IP protocol number. */
  readonly protocol: number
  /** Destination port; of ICMP the type, of protocols without ports 0. */
  readonly port: number
}

const WITH_PORTS = [ICMP, TCP, UDP, ICMPV6, SCTP]

/** The entry that decides; undefined = there is none, which denies. */
export function lookupPolicy(
  entries: readonly PolicyMapEntry[],
  query: PolicyQuery,
): PolicyMapEntry | undefined {
  const own = longestMatch(entries, query, query.peer)
  const any = longestMatch(entries, query, ANY_IDENTITY)
  if (own === undefined || any === undefined) return own ?? any
  if (own.precedence !== any.precedence) return any.precedence > own.precedence ? any : own
  return prefixBits(any) > prefixBits(own) ? any : own
}

function longestMatch(
  entries: readonly PolicyMapEntry[],
  { direction, protocol, port }: PolicyQuery,
  identity: Identity,
): PolicyMapEntry | undefined {
  const keyBits = WITH_PORTS.includes(protocol) ? PORT_BITS : 0
  let best: PolicyMapEntry | undefined
  for (const entry of entries) {
    if (entry.identity !== identity || entry.direction !== direction || entry.portBits > keyBits) continue
    if (entry.protocol !== 0 && entry.protocol !== protocol) continue
    if (port >> (PORT_BITS - entry.portBits) !== entry.port >> (PORT_BITS - entry.portBits)) continue
    if (best === undefined || prefixBits(entry) > prefixBits(best)) best = entry
  }
  return best
}

/** Of the part of the key that may be left open. */
function prefixBits({ protocol, portBits }: PolicyMapEntry): number {
  return (protocol === 0 ? 0 : 8) + portBits
}
