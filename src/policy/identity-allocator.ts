// Gives each distinct set of labels a number, and the same number again after a restart.
import { asIdentity, type Identity } from '../lib/brands.ts'
import { WeirError } from '../lib/errors.ts'
import { CLUSTER_RANGE, type IdentityRange, type LabelledIdentity } from './identity.ts'
import type { LabelSet } from './labels.ts'

export interface IdentityAllocator {
  /**
   * Numbers of the label sets, in their order; equal sets get equal numbers. Numbers are durable when this
   * returns.
   * @throws WeirError ENDPOINTS_INVALID when all numbers are in use, or what the store throws.
   */
  allocate(sets: readonly LabelSet[]): Identity[]
  /** Nobody uses the number now. It stays with its labels until numbers run out. */
  release(identity: Identity): void
  labelsOf(identity: Identity): LabelSet | undefined
}

/** Where numbers survive a restart. Implemented by the agent. */
export interface IdentityStore {
  /** What was saved last; empty when nothing was. */
  load(): readonly LabelledIdentity[]
  /** Durable when it returns. */
  save(all: readonly LabelledIdentity[]): void
}

/** Deterministic: new label sets get the lowest free number, in the order of the calls. */
export class LocalIdentityAllocator implements IdentityAllocator {
  readonly #store: IdentityStore | undefined
  readonly #range: IdentityRange
  readonly #byLabels = new Map<string, Identity>()
  readonly #byNumber = new Map<Identity, LabelSet>()
  readonly #released = new Set<Identity>()
  #next: number
  /** False also after a save that failed: the next call tries again. */
  #isSaved = true

  /** Without a store, numbers live as long as the allocator. */
  constructor(store?: IdentityStore, range: IdentityRange = CLUSTER_RANGE) {
    this.#store = store
    this.#range = range
    this.#next = range.first
    for (const { identity, labels } of store?.load() ?? []) {
      this.#assign(identity, labels)
      // Unless somebody asks for it again, a number of an earlier life may be reused.
      this.#released.add(identity)
    }
  }

  allocate(sets: readonly LabelSet[]): Identity[] {
    const numbers: Identity[] = []
    for (const labels of sets) {
      const known = this.#byLabels.get(labels.key)
      const number = known ?? this.#free()
      this.#released.delete(number)
      if (known === undefined) {
        this.#assign(number, labels)
        this.#isSaved = false
      }
      numbers.push(number)
    }
    if (!this.#isSaved) this.#store?.save(this.#all())
    this.#isSaved = true
    return numbers
  }

  release(identity: Identity): void {
    if (this.#byNumber.has(identity)) this.#released.add(identity)
  }

  labelsOf(identity: Identity): LabelSet | undefined {
    return this.#byNumber.get(identity)
  }

  #assign(identity: Identity, labels: LabelSet): void {
    this.#byNumber.set(identity, labels)
    this.#byLabels.set(labels.key, identity)
  }

  #free(): Identity {
    const { first, last } = this.#range
    while (this.#next <= last && this.#byNumber.has(asIdentity(this.#next))) this.#next++
    if (this.#next <= last) return asIdentity(this.#next)
    const reused = lowest(this.#released)
    if (reused === undefined) {
      throw new WeirError(
        'ENDPOINTS_INVALID',
        `allocate identity: all ${last - first + 1} numbers are in use`,
        { mend: 'give endpoints of one workload the same labels, and name fewer prefixes in policies' },
      )
    }
    const labels = this.#byNumber.get(reused)
    if (labels !== undefined) this.#byLabels.delete(labels.key)
    return reused
  }

  #all(): LabelledIdentity[] {
    return [...this.#byNumber].sort(([a], [b]) => a - b).map(([identity, labels]) => ({ identity, labels }))
  }
}

function lowest(numbers: Iterable<Identity>): Identity | undefined {
  let found: Identity | undefined
  for (const number of numbers) if (found === undefined || number < found) found = number
  return found
}
