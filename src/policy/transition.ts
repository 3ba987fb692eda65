// From one set of policies to another in steps, each of which enforces exactly the old or exactly the new set,
// for every address: identities are known to policy maps before an address gets them, and until none has them.
import type { Identity } from '../lib/brands.ts'
import { PrefixIdentities } from './prefix-identities.ts'
import type { IdentityAllocator } from './identity-allocator.ts'
import { PolicyRepository, type PolicyChange } from './repository.ts'
import type { ParsedPolicy } from './rule-model.ts'

export interface PolicyUpdate {
  readonly setPolicies?: readonly ParsedPolicy[]
  /** Keys; unknown ones are ignored. */
  readonly removePolicies?: readonly string[]
}

/** To be carried out before the next step is asked for. */
export type Step =
  | { readonly what: 'policies'; readonly change: PolicyChange }
  /** All prefixes that have an identity now. */
  | { readonly what: 'prefixes'; readonly prefixes: ReadonlyMap<string, Identity> }

export class PolicyTransitions {
  readonly repository = new PolicyRepository()
  readonly #prefixes: PrefixIdentities

  /** @param prefixAllocator gives out numbers of this node. */
  constructor(prefixAllocator: IdentityAllocator) {
    this.#prefixes = new PrefixIdentities(prefixAllocator)
  }

  /** What the ipcache must say of prefixes. */
  prefixes(): ReadonlyMap<string, Identity> {
    return this.#prefixes.addresses()
  }

  /** Whether the identity is that of a prefix in use. */
  holdsPrefix(identity: Identity): boolean {
    return this.#prefixes.holds(identity)
  }

  /**
   * @returns the change that the policies made themselves.
   * @throws what the allocator throws, before the first step.
   */
  *update({ setPolicies = [], removePolicies = [] }: PolicyUpdate): Generator<Step, PolicyChange> {
    const wanted = this.#prefixesAfter(setPolicies, removePolicies)
    const unknown = [...wanted].filter((prefix) => !this.#prefixes.has(prefix))
    if (unknown.length > 0) {
      const addPeers = this.#prefixes.add(unknown)
      yield { what: 'policies', change: this.repository.update({ addPeers }) }
      yield { what: 'prefixes', prefixes: this.prefixes() }
    }
    const change = this.repository.update({ setPolicies, removePolicies })
    yield { what: 'policies', change }
    const unused = this.#prefixes.prefixes().filter((prefix) => !wanted.has(prefix))
    if (unused.length > 0) {
      const removePeers = this.#prefixes.remove(unused)
      yield { what: 'prefixes', prefixes: this.prefixes() }
      yield { what: 'policies', change: this.repository.update({ removePeers }) }
    }
    return change
  }

  #prefixesAfter(set: readonly ParsedPolicy[], removed: readonly string[]): Set<string> {
    const gone = new Set([...removed, ...set.map(({ key }) => key)])
    const wanted = new Set(set.flatMap(({ prefixes }) => prefixes))
    for (const { key, prefixes } of this.repository.policies()) {
      if (!gone.has(key)) for (const prefix of prefixes) wanted.add(prefix)
    }
    return wanted
  }
}
