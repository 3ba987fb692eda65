// Entries of one peer when precedence alone does not tell the verdict: with passes, which continue in the next
// tier, and with rules that are not enforced. Every place where the answer may change is judged by itself, and
// what the kernel would find there anyway is left out.
import type { Filter } from './filter.ts'
import { hasModes, verdictUpTo } from './mode.ts'
import type { RuleMode } from './network-policy.ts'
import { claimsOf, prefixOf, type Claim } from './peer-entries.ts'
import { slotOf, type PeerEntry, type PolicyMapVerdict } from './policy-map.ts'
import type { RuleVerdict } from './precedence.ts'
import { ANY_PROTOCOL } from './rule-model.ts'

export function needsJudging(filter: Filter): boolean {
  return filter.verdict === 'pass' || hasModes(filter.rule)
}

/** Claims by slot, all of each. */
type Places = ReadonlyMap<number, readonly Claim[]>

/**
 * @param own filters that name the peer; none for the entries of any peer.
 * @param ofAnyPeer filters for any peer.
 * @param anyEntries what was made for any peer; undefined while making that.
 */
export function judgedEntries(
  own: readonly Filter[],
  ofAnyPeer: readonly Filter[],
  anyEntries: ReadonlyMap<number, PeerEntry> | undefined,
): readonly PeerEntry[] {
  const places = placesOf([...own, ...ofAnyPeer])
  const entries = new Map<number, PeerEntry>()
  // Broader places first, so that the nearest broader entry is known.
  const order = [...places].sort(([, a], [, b]) => bitsOf(a[0]) - bitsOf(b[0]))
  for (const [slot, [claim]] of order) {
    if (claim === undefined) continue
    const { protocol, port, portBits } = claim
    const matching = claimsAt(places, claim).sort((a, b) => b.precedence - a.precedence)
    const verdict = judge(matching)
    if (verdict === found(longest(entries, claim), anyEntries && longest(anyEntries, claim))) continue
    // At least as high as whatever there is for any peer: its claims are among these.
    entries.set(slot, { protocol, port, portBits, verdict, precedence: matching[0]?.precedence ?? 0 })
  }
  return [...entries.values()]
}

export function bySlot(entries: readonly PeerEntry[]): Map<number, PeerEntry> {
  return new Map(entries.map((entry) => [slotOf(entry.protocol, entry.port, entry.portBits), entry]))
}

function placesOf(filters: readonly Filter[]): Places {
  const places = new Map<number, Claim[]>()
  for (const filter of filters) {
    for (const claim of claimsOf(filter)) {
      const there = places.get(claim.slot)
      if (there === undefined) places.set(claim.slot, [claim])
      else there.push(claim)
    }
  }
  return places
}

function bitsOf(claim: PeerEntry | undefined): number {
  return claim === undefined || claim.protocol === ANY_PROTOCOL ? -1 : claim.portBits
}

/** Slots of the place and of all that are broader, longest first. */
function* slotsFrom({ protocol, port, portBits }: PeerEntry): Iterable<number> {
  if (protocol !== ANY_PROTOCOL) {
    for (let bits = portBits; bits >= 0; bits--) yield slotOf(protocol, prefixOf(port, bits), bits)
  }
  yield slotOf(ANY_PROTOCOL, 0, 0)
}

function claimsAt(places: Places, place: PeerEntry): Claim[] {
  return [...slotsFrom(place)].flatMap((slot) => places.get(slot) ?? [])
}

function longest(entries: ReadonlyMap<number, PeerEntry>, place: PeerEntry): PeerEntry | undefined {
  for (const slot of slotsFrom(place)) {
    const entry = entries.get(slot)
    if (entry !== undefined) return entry
  }
  return undefined
}

/** What the kernel makes of the two entries that it finds. */
function found(own: PeerEntry | undefined, any: PeerEntry | undefined): PolicyMapVerdict {
  if (own === undefined || any === undefined) return (own ?? any)?.verdict ?? 'deny'
  if (own.precedence !== any.precedence) return own.precedence > any.precedence ? own.verdict : any.verdict
  return bitsOf(any) > bitsOf(own) ? any.verdict : own.verdict
}

/** @param claims highest first. The same as the proxy's judgement, as far as the kernel can tell. */
function judge(claims: readonly Claim[]): PolicyMapVerdict {
  const enforced = decide('enforce', claims)
  const audited = decide('audit', claims)
  const planned = decide('shadow', claims)
  // Rules in audit may allow, never deny.
  if (enforced === 'deny' && audited === 'deny') return 'deny'
  // Requests have to be looked at, if only to tell what would become of them.
  if (enforced === 'redirect' || audited === 'redirect' || planned === 'redirect') return 'redirect'
  return audited === 'deny' || planned === 'deny' ? 'audit' : 'allow'
}

function decide(limit: RuleMode, claims: readonly Claim[]): Exclude<RuleVerdict, 'pass'> {
  let below = Infinity
  for (const { precedence, filter } of claims) {
    if (precedence >= below) continue
    const verdict = verdictUpTo(limit, filter.verdict, filter.rule)
    if (verdict === undefined) continue
    if (verdict !== 'pass') return verdict
    below = filter.rule.passPrecedence ?? 0
  }
  return 'deny'
}
