// One direction of a policy in the form that the kernel enforces: entries by peer. Peers of whom the same rules
// speak share their entries, and a change costs as much as the peers that it concerns.
import type { Identity } from '../lib/brands.ts'
import { isForAnyPeer, type Filter } from './filter.ts'
import { ANY_IDENTITY } from './identity.ts'
import { bySlot, judgedEntries, needsJudging } from './judged-entries.ts'
import type { Direction } from './network-policy.ts'
import { isSameClaimant, makeSlots, neededEntries, type Slots } from './peer-entries.ts'
import { groupPeers, peerLists, pick, placesNaming, symmetricDifference } from './peer-groups.ts'
import { slotOf, type PeerEntry, type PolicyMapEntry } from './policy-map.ts'
import type { PolicyMapDiff } from './policy-map-diff.ts'

type Entries = readonly PeerEntry[]
type Rows = ReadonlyMap<Identity, Entries>

/** What holds for any peer, as the entries of single peers need it. */
interface Wildcard {
  readonly filters: readonly Filter[]
  readonly entries: Entries
  readonly slots: Slots
  readonly bySlot: ReadonlyMap<number, PeerEntry>
}

/** Beyond this many look-ups of peers in lists, everything is grouped anew. */
const MAX_LOOKUPS = 200_000

const NONE: Entries = []
const NOBODY: readonly Identity[] = []

/** Immutable. */
export class MapState {
  readonly direction: Direction
  /** How many entries. */
  readonly size: number
  readonly #filters: readonly Filter[]
  readonly #isJudged: boolean
  readonly #wildcard: Wildcard
  /** By peer, ANY_IDENTITY included; never an empty list. */
  readonly #rows: Rows
  /** Rows of a former state and all peers whose entries differ from them: makes a delta cheap. */
  readonly #since: { readonly rows: WeakRef<Rows>; readonly peers: readonly Identity[] } | undefined

  private constructor(
    direction: Direction,
    filters: readonly Filter[],
    wildcard: Wildcard,
    rows: Rows,
    size: number,
    since?: { readonly rows: WeakRef<Rows>; readonly peers: readonly Identity[] },
  ) {
    this.direction = direction
    this.size = size
    this.#filters = filters
    this.#isJudged = filters.some(needsJudging)
    this.#wildcard = wildcard
    this.#rows = rows
    this.#since = since
  }

  /** @param filters without named ports, in the order of the policies. */
  static build(direction: Direction, filters: readonly Filter[]): MapState {
    const isJudged = filters.some(needsJudging)
    const wildcard = makeWildcard(filters.filter(isForAnyPeer), isJudged)
    const rows = new Map<Identity, Entries>()
    if (wildcard.entries.length > 0) rows.set(ANY_IDENTITY, wildcard.entries)
    let size = wildcard.entries.length
    for (const { identities, filters: own } of groupPeers(filters)) {
      const entries = entriesOf(own, wildcard, isJudged)
      if (entries.length === 0) continue
      for (const identity of identities) rows.set(identity, entries)
      size += entries.length * identities.length
    }
    return new MapState(direction, filters, wildcard, rows, size)
  }

  /** The state for other filters. Peers whom the change does not concern keep their entries, and cost nothing. */
  update(filters: readonly Filter[]): MapState {
    const lists = peerLists(filters)
    const touched = this.#touchedPeers(filters)
    if (touched === undefined || touched.size * lists.size > MAX_LOOKUPS) {
      return MapState.build(this.direction, filters)
    }
    const known = new Map<string, Entries>()
    const changes: [Identity, Entries][] = []
    for (const identity of touched) {
      const places = placesNaming(identity, lists)
      const key = touched.size === 1 ? '' : places.join()
      const entries = known.get(key) ?? entriesOf(pick(filters, places), this.#wildcard, this.#isJudged)
      known.set(key, entries)
      if (!isSameList(this.#rows.get(identity) ?? NONE, entries)) changes.push([identity, entries])
    }
    return this.#withRows(filters, changes)
  }

  /** What to write and what to delete to turn the entries of `before` into these. */
  deltaFrom(before: MapState | undefined): PolicyMapDiff {
    const additions: PolicyMapEntry[] = []
    const deletions: PolicyMapEntry[] = []
    for (const identity of this.#differingFrom(before)) {
      const gone = bySlot(before === undefined ? NONE : (before.#rows.get(identity) ?? NONE))
      for (const entry of this.#rows.get(identity) ?? NONE) {
        const slot = slotOfEntry(entry)
        const previous = gone.get(slot)
        gone.delete(slot)
        if (previous === undefined || !isSameEntry(previous, entry))
          additions.push(this.#entry(identity, entry))
      }
      for (const entry of gone.values()) deletions.push(this.#entry(identity, entry))
    }
    return { additions, deletions }
  }

  /** Sorted by identity, protocol, port and prefix length; one entry per key. */
  entries(): PolicyMapEntry[] {
    return [...this.#rows]
      .sort(([a], [b]) => a - b)
      .flatMap(([identity, entries]) => {
        const sorted = [...entries].sort((a, b) => slotOfEntry(a) - slotOfEntry(b))
        return sorted.map((entry) => this.#entry(identity, entry))
      })
  }

  /** Whether there is an entry of that key. */
  has({ identity, protocol, port, portBits }: PolicyMapEntry): boolean {
    const slot = slotOf(protocol, port, portBits)
    return this.#rows.get(identity)?.some((entry) => slotOfEntry(entry) === slot) === true
  }

  #differingFrom(before: MapState | undefined): Iterable<Identity> {
    if (before === undefined) return this.#rows.keys()
    if (before.#rows === this.#rows) return []
    if (this.#since?.rows.deref() === before.#rows) return this.#since.peers
    const differing = new Set<Identity>()
    for (const [identity, entries] of this.#rows) {
      if (before.#rows.get(identity) !== entries) differing.add(identity)
    }
    for (const identity of before.#rows.keys()) if (!this.#rows.has(identity)) differing.add(identity)
    return differing
  }

  #withRows(filters: readonly Filter[], changes: readonly [Identity, Entries][]): MapState {
    const { direction } = this
    if (changes.length === 0) {
      return new MapState(direction, filters, this.#wildcard, this.#rows, this.size, this.#since)
    }
    const rows = new Map(this.#rows)
    let { size } = this
    for (const [identity, entries] of changes) {
      size += entries.length - (rows.get(identity)?.length ?? 0)
      if (entries.length === 0) rows.delete(identity)
      else rows.set(identity, entries)
    }
    const since = { rows: new WeakRef(this.#rows), peers: changes.map(([identity]) => identity) }
    return new MapState(direction, filters, this.#wildcard, rows, size, since)
  }

  /** Peers whose filters differ; undefined when everybody's may. */
  #touchedPeers(filters: readonly Filter[]): Set<Identity> | undefined {
    const { gone, come } = differences(this.#filters, filters)
    if (filters.some(needsJudging) !== this.#isJudged) return undefined
    if (gone.some(isForAnyPeer) || come.some(isForAnyPeer)) return undefined
    const touched = new Set<Identity>()
    const compared = new Map<readonly Identity[], readonly Identity[]>()
    for (const [before, after] of pairUp(gone, come)) {
      // Rules that share a selector change alike.
      if (compared.get(before) === after) continue
      compared.set(before, after)
      for (const identity of symmetricDifference(before, after)) touched.add(identity)
    }
    return touched
  }

  #entry(identity: Identity, { protocol, port, portBits, verdict, precedence }: PeerEntry): PolicyMapEntry {
    return { identity, direction: this.direction, protocol, port, portBits, verdict, precedence }
  }
}

/** Filters that are in one list only. Mostly the lists are as long, and differ in a few places. */
function differences(
  before: readonly Filter[],
  after: readonly Filter[],
): { readonly gone: readonly Filter[]; readonly come: readonly Filter[] } {
  if (before.length === after.length) {
    const places = [...before.keys()].filter((place) => before[place] !== after[place])
    return { gone: pick(before, places), come: pick(after, places) }
  }
  const [old, wanted] = [new Set(before), new Set(after)]
  return {
    gone: before.filter((filter) => !wanted.has(filter)),
    come: after.filter((filter) => !old.has(filter)),
  }
}

/** Peers of filters before and after, where the filters differ in nothing else; nobody where one has no pair. */
function* pairUp(
  gone: readonly Filter[],
  come: readonly Filter[],
): Iterable<[readonly Identity[], readonly Identity[]]> {
  const candidates = new Map<unknown, Filter[]>()
  for (const filter of come) {
    const same = candidates.get(filter.spans)
    if (same === undefined) candidates.set(filter.spans, [filter])
    else same.push(filter)
  }
  for (const filter of gone) {
    const same = candidates.get(filter.spans) ?? []
    const index = same.findIndex((one) => isSameClaimant(one, filter))
    const [pair] = index < 0 ? [] : same.splice(index, 1)
    yield [filter.rule.remoteIdentities ?? NOBODY, pair?.rule.remoteIdentities ?? NOBODY]
  }
  for (const left of candidates.values()) {
    for (const { rule } of left) yield [NOBODY, rule.remoteIdentities ?? NOBODY]
  }
}

function makeWildcard(filters: readonly Filter[], isJudged: boolean): Wildcard {
  const slots = isJudged ? makeSlots([]) : makeSlots(filters)
  const entries = isJudged ? judgedEntries([], filters, undefined) : neededEntries(slots, undefined)
  return { filters, entries, slots, bySlot: bySlot(entries) }
}

function entriesOf(own: readonly Filter[], wildcard: Wildcard, isJudged: boolean): Entries {
  if (own.length === 0) return NONE
  return isJudged
    ? judgedEntries(own, wildcard.filters, wildcard.bySlot)
    : neededEntries(makeSlots(own), wildcard.slots)
}

function slotOfEntry({ protocol, port, portBits }: PeerEntry): number {
  return slotOf(protocol, port, portBits)
}

function isSameEntry(a: PeerEntry, b: PeerEntry): boolean {
  return a === b || (a.verdict === b.verdict && a.precedence === b.precedence)
}

function isSameList(a: Entries, b: Entries): boolean {
  if (a.length !== b.length) return false
  return a.every((entry, i) => {
    const other = b[i]
    return (
      other !== undefined &&
      (other === entry || (slotOfEntry(other) === slotOfEntry(entry) && isSameEntry(entry, other)))
    )
  })
}
