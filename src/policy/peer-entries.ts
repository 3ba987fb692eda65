// What the policy map must say of one peer, given the filters that apply to it.
//
// For a flow the kernel finds two entries, each the longest prefix that matches: one among those of the exact
// peer, one among those of any peer (identity 0). The higher precedence wins. Within one peer the *longest*
// entry hides shorter ones whatever their precedence, so entries below a broader one that ranks at least as
// high are left out: then the longest match of a peer is always its highest too.
import type { Filter } from './filter.ts'
import { slotOf, type PeerEntry } from './policy-map.ts'
import { PORT_BITS, portPrefixes } from './port-prefixes.ts'
import { ANY_PROTOCOL } from './rule-model.ts'

/** What a filter says of a slot; the filter tells the rest. */
export interface Claim extends PeerEntry {
  readonly slot: number
  readonly filter: Filter
}

const claimsByFilter = new WeakMap<readonly unknown[], { filter: Filter; claims: readonly Claim[] }[]>()

/** One claim per protocol and port prefix. Filters of one grant share them, whoever its peers are at present. */
export function claimsOf(filter: Filter): readonly Claim[] {
  const { spans, verdict, rule } = filter
  let known = claimsByFilter.get(spans)
  if (known === undefined) claimsByFilter.set(spans, (known = []))
  const same = known.find((one) => isSameClaimant(one.filter, filter))
  if (same !== undefined) return same.claims
  // Its peers change, and must not be kept alive from here.
  const source = { ...filter, rule: { ...rule, remoteIdentities: undefined } }
  const claims: readonly Claim[] = spans.flatMap(({ protocol, firstPort, lastPort }) =>
    portPrefixes(firstPort, lastPort).map(({ port, bits }): Claim => ({
      protocol,
      port,
      portBits: bits,
      // Passes are resolved to what they lead to before they reach a map.
      verdict: verdict === 'pass' ? 'deny' : verdict,
      precedence: rule.precedence,
      slot: slotOf(protocol, port, bits),
      filter: source,
    })),
  )
  known.push({ filter: source, claims })
  return claims
}

/** Nothing that claims are made of differs: only peers may. */
export function isSameClaimant(a: Filter, b: Filter): boolean {
  return (
    a.spans === b.spans &&
    a.verdict === b.verdict &&
    a.rule.precedence === b.rule.precedence &&
    a.rule.mode === b.rule.mode &&
    a.rule.http === b.rule.http &&
    a.rule.kafka === b.rule.kafka
  )
}

/** Claims of one peer by slot, the highest of each, with what look-ups of broader ones need to know. */
export interface Slots {
  readonly claims: ReadonlyMap<number, PeerEntry>
  /** Whether there is a claim for any protocol. */
  readonly hasAnyProtocol: boolean
  /** Bit n is set when there is a claim with a port prefix of n bits. */
  readonly lengths: number
}

const NO_SLOTS: Slots = { claims: new Map(), hasAnyProtocol: false, lengths: 0 }

export function makeSlots(filters: readonly Filter[]): Slots {
  if (filters.length === 0) return NO_SLOTS
  const claims = new Map<number, PeerEntry>()
  let hasAnyProtocol = false
  let lengths = 0
  for (const filter of filters) {
    for (const claim of claimsOf(filter)) {
      const highest = claims.get(claim.slot)
      if (highest !== undefined && highest.precedence >= claim.precedence) continue
      claims.set(claim.slot, claim)
      if (claim.protocol === ANY_PROTOCOL) hasAnyProtocol = true
      lengths |= 1 << claim.portBits
    }
  }
  return { claims, hasAnyProtocol, lengths }
}

/** @param ofAnyPeer what holds for any peer at least as high needs no repetition; undefined when these are they. */
export function neededEntries(slots: Slots, ofAnyPeer: Slots | undefined): readonly PeerEntry[] {
  const needed: PeerEntry[] = []
  for (const [slot, claim] of slots.claims) {
    if (isCovered(claim, slots)) continue
    if (ofAnyPeer !== undefined && ofAnyPeer.claims.size > 0) {
      if (rankAt(ofAnyPeer, slot) >= claim.precedence || isCovered(claim, ofAnyPeer)) continue
    }
    needed.push(claim)
  }
  return needed
}

/** A broader claim among `slots` ranks at least as high. */
function isCovered(claim: PeerEntry, slots: Slots): boolean {
  const { protocol, port, portBits, precedence } = claim
  if (protocol === ANY_PROTOCOL) return false
  if (slots.hasAnyProtocol && rankAt(slots, slotOf(ANY_PROTOCOL, 0, 0)) >= precedence) return true
  let broader = slots.lengths & ((1 << portBits) - 1)
  while (broader !== 0) {
    const bits = 31 - Math.clz32(broader)
    broader &= ~(1 << bits)
    if (rankAt(slots, slotOf(protocol, prefixOf(port, bits), bits)) >= precedence) return true
  }
  return false
}

/** 0 = nothing is claimed there; every claim ranks higher. */
function rankAt(slots: Slots, slot: number): number {
  return slots.claims.get(slot)?.precedence ?? 0
}

export function prefixOf(port: number, bits: number): number {
  return bits === 0 ? 0 : port & (0xffff << (PORT_BITS - bits)) & 0xffff
}
