// Finds, for the labels of an identity, the few selectors that may select it, and for a selector the few
// identities that it may select: both by one label that the selector cannot do without.
import type { Identity } from '../lib/brands.ts'
import { NAMESPACE_KEY, type Label, type LabelSet } from './labels.ts'
import type { Requirement, Selector } from './selector.ts'

/** Things by selector, found by label. */
export class SelectorIndex<T> {
  readonly #byLabel = new Map<string, Set<T>>()
  readonly #byKey = new Map<string, Set<T>>()
  readonly #others = new Set<T>()

  add(selector: Selector, item: T): void {
    for (const set of this.#places(selector)) set.add(item)
  }

  remove(selector: Selector, item: T): void {
    for (const set of this.#places(selector)) set.delete(item)
    const anchor = anchorOf(selector)
    if (anchor === undefined) return
    if (anchor.operator === 'Exists') dropEmpty(this.#byKey, anchor.key)
    else for (const value of anchor.values) dropEmpty(this.#byLabel, labelKey(anchor.key, value))
  }

  /** All whose selector may select the labels; some may not. */
  *candidates(labels: LabelSet): Iterable<T> {
    yield* this.#others
    let previous: Label | undefined
    for (const label of labels.labels) {
      // Of labels that differ in their source only, one is enough.
      if (previous?.key === label.key && previous.value === label.value) continue
      previous = label
      yield* this.#byLabel.get(labelKey(label.key, label.value)) ?? []
      yield* this.#byKey.get(label.key) ?? []
    }
  }

  #places(selector: Selector): Set<T>[] {
    const anchor = anchorOf(selector)
    if (anchor === undefined) return [this.#others]
    if (anchor.operator === 'Exists') return [setIn(this.#byKey, anchor.key)]
    return anchor.values.map((value) => setIn(this.#byLabel, labelKey(anchor.key, value)))
  }
}

/** Identities by label. */
export class IdentityIndex {
  readonly #byKey = new Map<string, Map<string, Set<Identity>>>()

  add(identity: Identity, labels: LabelSet): void {
    for (const { key, value } of labels.labels) {
      let values = this.#byKey.get(key)
      if (values === undefined) this.#byKey.set(key, (values = new Map<string, Set<Identity>>()))
      setIn(values, value).add(identity)
    }
  }

  remove(identity: Identity, labels: LabelSet): void {
    for (const { key, value } of labels.labels) {
      const values = this.#byKey.get(key)
      if (values === undefined) continue
      values.get(value)?.delete(identity)
      dropEmpty(values, value)
      if (values.size === 0) this.#byKey.delete(key)
    }
  }

  /** All that a selector may select, or undefined = anybody. */
  candidates(selector: Selector): Iterable<Identity> | undefined {
    let best: { sets: Set<Identity>[]; count: number } | undefined
    for (const { operator, key, values } of selector.requirements) {
      if (operator !== 'In' && operator !== 'Exists') continue
      const known = this.#byKey.get(key) ?? new Map<string, Set<Identity>>()
      const sets = operator === 'In' ? values.flatMap((value) => known.get(value) ?? []) : [...known.values()]
      const count = sets.reduce((sum, set) => sum + set.size, 0)
      if (count < (best?.count ?? Infinity)) best = { sets, count }
    }
    if (best === undefined) return undefined
    return best.sets.length === 1 ? best.sets[0] : new Set(best.sets.flatMap((set) => [...set]))
  }
}

/** The requirement that tells most: a value of a key that is not shared by a whole namespace. */
function anchorOf({ requirements }: Selector): Requirement | undefined {
  const values = requirements.filter(({ operator }) => operator === 'In')
  return (
    values.find(({ key }) => key !== NAMESPACE_KEY) ??
    values[0] ??
    requirements.find(({ operator, key }) => operator === 'Exists' && key !== NAMESPACE_KEY) ??
    requirements.find(({ operator }) => operator === 'Exists')
  )
}

function labelKey(key: string, value: string): string {
  return `${key}=${value}`
}

function setIn<V>(index: Map<string, Set<V>>, key: string): Set<V> {
  let set = index.get(key)
  if (set === undefined) index.set(key, (set = new Set<V>()))
  return set
}

function dropEmpty<V>(index: Map<string, Set<V>>, key: string): void {
  if (index.get(key)?.size === 0) index.delete(key)
}
