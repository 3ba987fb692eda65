// One direction of a policy in the form that the kernel enforces: entries by peer. Peers of whom the same rules
// speak share their entries, and a change costs as much as the peers that it concerns.
import type { Identity } from '../lib/brands.ts'
import { isForAnyPeer, type Filter } from './filter.ts'
import { differences, touchedPeers } from './filter-changes.ts'
import { ANY_IDENTITY } from './identity.ts'
import { bySlot, judgedEntries, needsJudging } from './judged-entries.ts'
import type { Direction } from './network-policy.ts'
import { makeSlots, neededEntries, type Slots } from './peer-entries.ts'
import {
  changedUse,
  groupPeers,
  peerLists,
  pick,
  placesNaming,
  twinOf,
  useOfLists,
  type ListUse,
  type PeerLists,
} from './peer-groups.ts'
import { NO_ENTRIES, PeerRows, type Entries } from './peer-rows.ts'
import { slotOf, type PeerEntry, type PolicyMapEntry } from './policy-map.ts'
import type { PolicyMapDiff } from './policy-map-diff.ts'

/** What holds for any peer, as the entries of single peers need it. */
interface Wildcard {
  readonly filters: readonly Filter[]
  readonly entries: Entries
  readonly slots: Slots
  readonly bySlot: ReadonlyMap<number, PeerEntry>
}

/** The filters of a state, and what follows from them alone. */
interface Filters {
  readonly list: readonly Filter[]
  readonly isJudged: boolean
  readonly use: ListUse
}

/** Rows of a former state and all peers whose entries differ from them: makes a delta cheap. */
interface Origin {
  readonly rows: WeakRef<PeerRows>
  readonly peers: readonly Identity[]
}

const NO_ROWS = new PeerRows(new Map())

/** Beyond this many look-ups of peers in lists, everything is grouped anew. */
const MAX_LOOKUPS = 200_000

/** Immutable. */
export class MapState {
  readonly direction: Direction
  /** How many entries. */
  readonly size: number
  readonly #filters: Filters
  readonly #wildcard: Wildcard
  /** ANY_IDENTITY included. */
  readonly #rows: PeerRows
  readonly #since: Origin | undefined

  private constructor(
    direction: Direction,
    filters: Filters,
    wildcard: Wildcard,
    rows: PeerRows,
    size: number,
    since?: Origin,
  ) {
    this.direction = direction
    this.size = size
    this.#filters = filters
    this.#wildcard = wildcard
    this.#rows = rows
    this.#since = since
  }

  /** @param list without named ports, in the order of the policies. */
  static build(direction: Direction, list: readonly Filter[]): MapState {
    const filters = { list, isJudged: list.some(needsJudging), use: useOfLists(list) }
    const wildcard = makeWildcard(list.filter(isForAnyPeer), filters.isJudged)
    const rows = new Map<Identity, Entries>()
    if (wildcard.entries.length > 0) rows.set(ANY_IDENTITY, wildcard.entries)
    let size = wildcard.entries.length
    for (const { identities, filters: own } of groupPeers(list)) {
      const entries = entriesOf(own, wildcard, filters.isJudged)
      if (entries.length === 0) continue
      for (const identity of identities) rows.set(identity, entries)
      size += entries.length * identities.length
    }
    return new MapState(direction, filters, wildcard, new PeerRows(rows), size)
  }

  /** The state for other filters. Peers whom the change does not concern keep their entries, and cost nothing. */
  update(list: readonly Filter[]): MapState {
    const { gone, come } = differences(this.#filters.list, list)
    const isJudged = this.#filters.isJudged ? list.some(needsJudging) : come.some(needsJudging)
    const isForAll = isJudged !== this.#filters.isJudged || gone.some(isForAnyPeer) || come.some(isForAnyPeer)
    if (isForAll) return MapState.build(this.direction, list)
    const touched = touchedPeers(gone, come)
    const use = changedUse(this.#filters.use, gone, come)
    if (touched.size * use.size > MAX_LOOKUPS) return MapState.build(this.direction, list)
    const filters = { list, isJudged, use }
    return this.#withRows(filters, this.#changedRows(filters, touched))
  }

  /** What to write and what to delete to turn the entries of `before` into these. */
  deltaFrom(before: MapState | undefined): PolicyMapDiff {
    const additions: PolicyMapEntry[] = []
    const deletions: PolicyMapEntry[] = []
    const rows = before === undefined ? NO_ROWS : before.#rows
    for (const identity of this.#differingFrom(rows)) {
      const gone = bySlot(rows.of(identity))
      for (const entry of this.#rows.of(identity)) {
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
    return this.#rows.of(identity).some((entry) => slotOfEntry(entry) === slot)
  }

  #differingFrom(before: PeerRows): Iterable<Identity> {
    if (before === this.#rows) return []
    if (this.#since?.rows.deref() === before) return this.#since.peers
    const differing = new Set<Identity>()
    for (const [identity, entries] of this.#rows) {
      if (before.of(identity) !== entries) differing.add(identity)
    }
    for (const [identity] of before) {
      if (this.#rows.of(identity).length === 0) differing.add(identity)
    }
    return differing
  }

  #changedRows({ list, isJudged, use }: Filters, touched: ReadonlySet<Identity>): Map<Identity, Entries> {
    const changed = new Map<Identity, Entries>()
    const made = new Map<string, Entries>()
    let lists: PeerLists | undefined
    for (const identity of touched) {
      const twin = twinOf(identity, use, touched)
      let entries: Entries
      if (twin !== undefined) {
        entries = this.#rows.of(twin)
      } else {
        lists ??= peerLists(list)
        const places = placesNaming(identity, lists)
        const key = touched.size === 1 ? '' : places.join()
        entries = made.get(key) ?? entriesOf(pick(list, places), this.#wildcard, isJudged)
        made.set(key, entries)
      }
      if (!isSameList(this.#rows.of(identity), entries)) changed.set(identity, entries)
    }
    return changed
  }

  #withRows(filters: Filters, changes: ReadonlyMap<Identity, Entries>): MapState {
    const { direction } = this
    if (changes.size === 0) {
      return new MapState(direction, filters, this.#wildcard, this.#rows, this.size, this.#since)
    }
    let { size } = this
    for (const [identity, entries] of changes) size += entries.length - this.#rows.of(identity).length
    const since = { rows: new WeakRef(this.#rows), peers: [...changes.keys()] }
    return new MapState(direction, filters, this.#wildcard, this.#rows.with(changes), size, since)
  }

  #entry(identity: Identity, { protocol, port, portBits, verdict, precedence }: PeerEntry): PolicyMapEntry {
    return { identity, direction: this.direction, protocol, port, portBits, verdict, precedence }
  }
}

function makeWildcard(filters: readonly Filter[], isJudged: boolean): Wildcard {
  const slots = isJudged ? makeSlots([]) : makeSlots(filters)
  const entries = isJudged ? judgedEntries([], filters, undefined) : neededEntries(slots, undefined)
  return { filters, entries, slots, bySlot: bySlot(entries) }
}

function entriesOf(own: readonly Filter[], wildcard: Wildcard, isJudged: boolean): Entries {
  if (own.length === 0) return NO_ENTRIES
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
