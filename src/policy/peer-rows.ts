// Entries of a policy map by peer. A changed copy shares what is the same, so that it costs about as much as the
// change and not as much as there are peers.
import type { Identity } from '../lib/brands.ts'
import type { PeerEntry } from './policy-map.ts'

export type Entries = readonly PeerEntry[]

export const NO_ENTRIES: Entries = []

/** Immutable. Peers without entries are not in it. */
export class PeerRows {
  readonly #base: ReadonlyMap<Identity, Entries>
  /** What differs from the base: no entries = no longer there. */
  readonly #edits: ReadonlyMap<Identity, Entries>

  /** @param rows never changed later; no list is empty. */
  constructor(rows: ReadonlyMap<Identity, Entries>, edits: ReadonlyMap<Identity, Entries> = new Map()) {
    this.#base = rows
    this.#edits = edits
  }

  /** An empty list where there are none. */
  of(peer: Identity): Entries {
    return this.#edits.get(peer) ?? this.#base.get(peer) ?? NO_ENTRIES
  }

  *[Symbol.iterator](): Iterator<[Identity, Entries]> {
    for (const row of this.#base) if (!this.#edits.has(row[0])) yield row
    for (const row of this.#edits) if (row[1].length > 0) yield row
  }

  with(changes: Iterable<readonly [Identity, Entries]>): PeerRows {
    const edits = new Map(this.#edits)
    for (const [peer, entries] of changes) edits.set(peer, entries)
    // Edits are copied with every change, the base once in as many changes: at this size both cost the same.
    if (edits.size ** 2 <= 2 * this.#base.size) return new PeerRows(this.#base, edits)
    return new PeerRows(new Map(new PeerRows(this.#base, edits)))
  }
}
