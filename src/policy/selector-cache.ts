// Which identities each selector selects, kept up to date as identities come and go. Every distinct selector
// is evaluated once, however many rules use it; selections are immutable and replaced as a whole.
import type { Identity } from '../lib/brands.ts'
import type { LabelledIdentity } from './identity.ts'
import { K8S_SOURCE, NAMESPACE_KEY, type LabelSet } from './labels.ts'
import { selects, type Selector } from './selector.ts'

/** A selector in the cache. One object per canonical key, as long as it has users. */
export interface CachedSelector {
  readonly selector: Selector
  /** Sorted, frozen. The property is replaced by a new array when the selection changes. */
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

const NO_NAMESPACE = ''

export class SelectorCache {
  readonly #identities = new Map<Identity, LabelSet>()
  readonly #identitiesByNamespace = new Map<string, Set<Identity>>()
  readonly #entries = new Map<string, Entry>()
  readonly #entriesByNamespace = new Map<string, Set<Entry>>()
  readonly #unboundEntries = new Set<Entry>()
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

  identities(): LabelledIdentity[] {
    return [...this.#identities].sort(([a], [b]) => a - b).map(([identity, labels]) => ({ identity, labels }))
  }

  /** Register a user of a selector; a user counts once, however often it is added. */
  add(selector: Selector, user: SelectorUser): CachedSelector {
    let entry = this.#entries.get(selector.key)
    if (entry === undefined) {
      entry = { selector, selection: this.#evaluate(selector), users: new Set() }
      this.#entries.set(selector.key, entry)
      this.#index(entry)
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
    this.#unindex(entry)
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
      for (const entry of this.#matching(labels)) deltaOf(entry).removed.push(identity)
      this.#forget(identity, labels)
    }
    for (const { identity, labels } of fresh) {
      this.#remember(identity, labels)
      for (const entry of this.#matching(labels)) deltaOf(entry).added.push(identity)
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
    const candidates =
      selector.namespaces === undefined
        ? [...this.#identities.keys()]
        : selector.namespaces.flatMap((name) => [...(this.#identitiesByNamespace.get(name) ?? [])])
    const selected = candidates.filter((identity) => {
      const labels = this.#identities.get(identity)
      return labels !== undefined && selects(selector, labels)
    })
    return Object.freeze(selected.sort((a, b) => a - b))
  }

  *#matching(labels: LabelSet): Iterable<Entry> {
    for (const entry of this.#entriesByNamespace.get(namespaceOf(labels)) ?? []) {
      if (selects(entry.selector, labels)) yield entry
    }
    for (const entry of this.#unboundEntries) {
      if (selects(entry.selector, labels)) yield entry
    }
  }

  #remember(identity: Identity, labels: LabelSet): void {
    this.#identities.set(identity, labels)
    addTo(this.#identitiesByNamespace, namespaceOf(labels), identity)
  }

  #forget(identity: Identity, labels: LabelSet): void {
    this.#identities.delete(identity)
    removeFrom(this.#identitiesByNamespace, namespaceOf(labels), identity)
  }

  #index(entry: Entry): void {
    if (entry.selector.namespaces === undefined) this.#unboundEntries.add(entry)
    for (const name of entry.selector.namespaces ?? []) addTo(this.#entriesByNamespace, name, entry)
  }

  #unindex(entry: Entry): void {
    this.#unboundEntries.delete(entry)
    for (const name of entry.selector.namespaces ?? []) removeFrom(this.#entriesByNamespace, name, entry)
  }
}

function namespaceOf(labels: LabelSet): string {
  return labels.get(K8S_SOURCE, NAMESPACE_KEY) ?? NO_NAMESPACE
}

/** All three sorted; `removed` is part of `old`, `added` is not. Linear. */
function mergeSelection(
  old: readonly Identity[],
  added: readonly Identity[],
  removed: readonly Identity[],
): readonly Identity[] {
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
  return Object.freeze(merged)
}

function addTo<K, V>(index: Map<K, Set<V>>, key: K, value: V): void {
  const set = index.get(key)
  if (set === undefined) index.set(key, new Set([value]))
  else set.add(value)
}

function removeFrom<K, V>(index: Map<K, Set<V>>, key: K, value: V): void {
  const set = index.get(key)
  set?.delete(value)
  if (set?.size === 0) index.delete(key)
}
