// Which identities each selector selects, kept up to date as identities come and go. Every distinct selector
// is evaluated once, however many rules use it; selections are immutable and replaced as a whole.
import type { Identity } from '../lib/brands.ts'
import type { LabelledIdentity } from './identity.ts'
import type { LabelSet } from './labels.ts'
import { selects, type Selector } from './selector.ts'
import { IdentityIndex, SelectorIndex } from './selector-index.ts'

/** A selector in the cache. One object per canonical key, as long as it has users. */
export interface CachedSelector {
  readonly selector: Selector
  /** Sorted, never changed. The property is replaced by a new array when the selection changes. */
  readonly selection: readonly Identity[]
}

export interface SelectionChange {
  readonly cached: CachedSelector
  /** Sorted. */
  readonly added: readonly Identity[]
  /** Sorted. */
  readonly removed: readonly Identity[]
}

export interface SelectorUser {
  /** Called once per commit with all changes that concern the user, when every selection is in place. */
  selectionsChanged(changes: readonly SelectionChange[], revision: number): void
}

interface Entry {
  readonly selector: Selector
  selection: readonly Identity[]
  readonly users: Set<SelectorUser>
}

export class SelectorCache {
  readonly #identities = new Map<Identity, LabelSet>()
  readonly #identityIndex = new IdentityIndex()
  readonly #entries = new Map<string, Entry>()
  readonly #entryIndex = new SelectorIndex<Entry>()
  #revision = 0

  /** Grows by one with each update that changed a selection. */
  get revision(): number {
    return this.#revision
  }

  get size(): number {
    return this.#entries.size
  }

  labelsOf(identity: Identity): LabelSet | undefined {
    return this.#identities.get(identity)
  }

  /** All in use, with the number of their users. */
  *selectors(): Iterable<CachedSelector & { readonly users: number }> {
    for (const { selector, selection, users } of this.#entries.values()) {
      yield { selector, selection, users: users.size }
    }
  }

  identities(): LabelledIdentity[] {
    return [...this.#identities].sort(([a], [b]) => a - b).map(([identity, labels]) => ({ identity, labels }))
  }

  /** Register a user of a selector; a user counts once, however often it is added. */
  add(selector: Selector, user: SelectorUser): CachedSelector {
    let entry = this.#entries.get(selector.key)
    if (entry === undefined) {
      entry = { selector, selection: this.#evaluate(selector), users: new Set() }
      this.#entries.set(selector.key, entry)
      this.#entryIndex.add(selector, entry)
    }
    entry.users.add(user)
    return entry
  }

  /** The reverse of `add`. Without users the selector is forgotten. */
  remove(cached: CachedSelector, user: SelectorUser): void {
    const entry = this.#entries.get(cached.selector.key)
    if (entry === undefined) return
    entry.users.delete(user)
    if (entry.users.size > 0) return
    this.#entries.delete(cached.selector.key)
    this.#entryIndex.remove(entry.selector, entry)
  }

  /**
   * One change of the set of identities: all selections move together, then each user is told once.
   * Adding an identity again with the same labels and removing an unknown one have no effect.
   * @throws Error when an identity is added with other labels than it has, or both added and removed.
   */
  updateIdentities(added: readonly LabelledIdentity[], removed: readonly Identity[]): SelectionChange[] {
    const fresh = this.#admit(added, removed)
    const gone = [...new Set(removed)].filter((identity) => this.#identities.has(identity))
    const deltas = new Map<Entry, { added: Identity[]; removed: Identity[] }>()
    const deltaOf = (entry: Entry): { added: Identity[]; removed: Identity[] } => {
      const known = deltas.get(entry)
      if (known !== undefined) return known
      const delta = { added: [], removed: [] }
      deltas.set(entry, delta)
      return delta
    }
    for (const identity of gone) {
      const labels = this.#identities.get(identity)
      if (labels === undefined) continue
      for (const entry of this.#matching(labels)) pushOnce(deltaOf(entry).removed, identity)
      this.#forget(identity, labels)
    }
    for (const { identity, labels } of fresh) {
      this.#remember(identity, labels)
      for (const entry of this.#matching(labels)) pushOnce(deltaOf(entry).added, identity)
    }
    return this.#commit(deltas)
  }

  #admit(added: readonly LabelledIdentity[], removed: readonly Identity[]): LabelledIdentity[] {
    const fresh = new Map<Identity, LabelledIdentity>()
    for (const item of added) {
      const known = this.#identities.get(item.identity) ?? fresh.get(item.identity)?.labels
      if (known === undefined) fresh.set(item.identity, item)
      else if (known.key !== item.labels.key) {
        throw new Error(`identity ${item.identity} has labels ${known.key} and cannot get ${item.labels.key}`)
      }
    }
    for (const identity of removed) {
      if (fresh.has(identity)) throw new Error(`identity ${identity} is both added and removed`)
    }
    return [...fresh.values()]
  }

  #commit(deltas: Map<Entry, { added: Identity[]; removed: Identity[] }>): SelectionChange[] {
    if (deltas.size === 0) return []
    const changes: SelectionChange[] = []
    const byUser = new Map<SelectorUser, SelectionChange[]>()
    for (const [entry, delta] of deltas) {
      delta.added.sort((a, b) => a - b)
      delta.removed.sort((a, b) => a - b)
      entry.selection = mergeSelection(entry.selection, delta.added, delta.removed)
      const change = { cached: entry, added: delta.added, removed: delta.removed }
      changes.push(change)
      for (const user of entry.users) {
        const list = byUser.get(user)
        if (list === undefined) byUser.set(user, [change])
        else list.push(change)
      }
    }
    this.#revision++
    for (const [user, list] of byUser) user.selectionsChanged(list, this.#revision)
    return changes
  }

  #evaluate(selector: Selector): readonly Identity[] {
    const selected: Identity[] = []
    for (const identity of this.#identityIndex.candidates(selector) ?? this.#identities.keys()) {
      const labels = this.#identities.get(identity)
      if (labels !== undefined && selects(selector, labels)) selected.push(identity)
    }
    return selected.sort((a, b) => a - b)
  }

  *#matching(labels: LabelSet): Iterable<Entry> {
    for (const entry of this.#entryIndex.candidates(labels)) {
      if (selects(entry.selector, labels)) yield entry
    }
  }

  #remember(identity: Identity, labels: LabelSet): void {
    this.#identities.set(identity, labels)
    this.#identityIndex.add(identity, labels)
  }

  #forget(identity: Identity, labels: LabelSet): void {
    this.#identities.delete(identity)
    this.#identityIndex.remove(identity, labels)
  }
}

/** The index may find an entry by several labels of one identity. */
function pushOnce(list: Identity[], identity: Identity): void {
  if (list.at(-1) !== identity) list.push(identity)
}

const MAX_SINGLE_EDITS = 4

/** All three sorted; `removed` is part of `old`, `added` is not. Linear, and little more than a copy for few. */
function mergeSelection(
  old: readonly Identity[],
  added: readonly Identity[],
  removed: readonly Identity[],
): readonly Identity[] {
  if (added.length + removed.length <= MAX_SINGLE_EDITS) {
    const edited = [...old]
    for (const identity of removed) edited.splice(placeOf(edited, identity), 1)
    for (const identity of added) edited.splice(placeOf(edited, identity), 0, identity)
    return edited
  }
  const gone = new Set(removed)
  const merged: Identity[] = []
  let next = 0
  for (const identity of old) {
    if (gone.has(identity)) continue
    for (let fresh = added[next]; fresh !== undefined && fresh < identity; fresh = added[++next]) {
      merged.push(fresh)
    }
    merged.push(identity)
  }
  for (let fresh = added[next]; fresh !== undefined; fresh = added[++next]) merged.push(fresh)
  return merged
}

/** First place that does not hold less. */
function placeOf(sorted: readonly Identity[], identity: Identity): number {
  let low = 0
  let high = sorted.length
  while (low < high) {
    const middle = (low + high) >>> 1
    if ((sorted[middle] ?? 0) < identity) low = middle + 1
    else high = middle
  }
  return low
}
