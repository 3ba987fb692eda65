// Filters of one direction in the form that the kernel enforces: entries of a longest-prefix map.
//
// For a flow the kernel finds two entries, each the longest prefix that matches: one among those of the exact
// peer, one among those of any peer (identity 0). The higher precedence wins. Within one peer the *longest*
// entry hides shorter ones whatever their precedence, so entries below a broader one that ranks at least as
// high are left out: then the longest match of a peer is always its highest too.
import { asIdentity } from '../lib/brands.ts'
import type { Filter } from './filter.ts'
import { ANY_IDENTITY } from './identity.ts'
import type { Direction } from './network-policy.ts'
import type { PolicyMapEntry, PolicyMapVerdict } from './policy-map.ts'
import { PORT_BITS, portPrefixes, type PortPrefix } from './port-prefixes.ts'
import { ANY_PROTOCOL, SCTP, TCP, UDP } from './rule-model.ts'

/** Protocols by their place in a slot number. */
const PROTOCOLS = [ANY_PROTOCOL, TCP, UDP, SCTP]

interface Claim {
  readonly protocol: number
  readonly prefix: PortPrefix
  readonly verdict: PolicyMapVerdict
  readonly precedence: number
}

/** Claims of one peer by slot, that is protocol and port prefix as one small number. */
type Slots = Map<number, Claim>

/** Sorted by identity, protocol, port and prefix length; one entry per key. */
export function mapEntries(direction: Direction, filters: readonly Filter[]): PolicyMapEntry[] {
  const byIdentity = new Map<number, Slots>()
  for (const { verdict, spans, rule } of filters) {
    const claims = spans.flatMap(({ protocol, firstPort, lastPort }) => {
      return portPrefixes(firstPort, lastPort).map((prefix) => {
        return { protocol, prefix, verdict, precedence: rule.precedence }
      })
    })
    for (const identity of rule.remoteIdentities ?? [ANY_IDENTITY]) claim(byIdentity, identity, claims)
  }
  const ofAnyPeer = byIdentity.get(ANY_IDENTITY) ?? new Map<number, Claim>()
  const identities = [...byIdentity.keys()].sort((a, b) => a - b)
  return identities.flatMap((identity) => {
    const slots = byIdentity.get(identity) ?? new Map<number, Claim>()
    const needed = [...slots].filter(([slot, one]) => {
      if (isCovered(one, slots)) return false
      // What holds for any peer at this rank needs no repetition per peer.
      return (
        identity === ANY_IDENTITY || !(isCovered(one, ofAnyPeer) || rankAt(ofAnyPeer, slot) >= one.precedence)
      )
    })
    return needed
      .sort(([a], [b]) => a - b)
      .map(([, { protocol, prefix, verdict, precedence }]) => ({
        identity: asIdentity(identity),
        direction,
        protocol,
        port: prefix.port,
        portBits: prefix.bits,
        verdict,
        precedence,
      }))
  })
}

function claim(byIdentity: Map<number, Slots>, identity: number, claims: readonly Claim[]): void {
  let slots = byIdentity.get(identity)
  if (slots === undefined) byIdentity.set(identity, (slots = new Map<number, Claim>()))
  for (const one of claims) {
    const slot = slotOf(one.protocol, one.prefix.port, one.prefix.bits)
    if (rankAt(slots, slot) < one.precedence) slots.set(slot, one)
  }
}

/** A broader claim among `slots` ranks at least as high. */
function isCovered(one: Claim, slots: Slots): boolean {
  if (one.protocol === ANY_PROTOCOL) return false
  if (rankAt(slots, slotOf(ANY_PROTOCOL, 0, 0)) >= one.precedence) return true
  for (let bits = 0; bits < one.prefix.bits; bits++) {
    const port = bits === 0 ? 0 : one.prefix.port & (0xffff << (PORT_BITS - bits))
    if (rankAt(slots, slotOf(one.protocol, port, bits)) >= one.precedence) return true
  }
  return false
}

/** 0 = nothing is claimed there; every claim ranks higher. */
function rankAt(slots: Slots, slot: number): number {
  return slots.get(slot)?.precedence ?? 0
}

function slotOf(protocol: number, port: number, bits: number): number {
  return ((PROTOCOLS.indexOf(protocol) << PORT_BITS) | port) * (PORT_BITS + 1) + bits
}
