// Identities of prefixes that policies name: numbers of this node only, with the labels of what contains them.
import { asIdentity, type Identity } from '../lib/brands.ts'
import { contains, parsePrefix } from '../lib/address.ts'
import { prefixLabels } from './cidr-labels.ts'
import { RESERVED_IDENTITIES, WORLD_IDENTITY, type LabelledIdentity } from './identity.ts'
import type { IdentityAllocator } from './identity-allocator.ts'

/** What is outside of the cluster at all, by family, when a policy tells the families apart. */
const FAMILIES: ReadonlyMap<string, Identity> = new Map([
  ['0.0.0.0/0', asIdentity(RESERVED_IDENTITIES['world-ipv4'])],
  ['::/0', asIdentity(RESERVED_IDENTITIES['world-ipv6'])],
])

export class PrefixIdentities {
  readonly #allocator: IdentityAllocator
  readonly #inUse = new Map<string, LabelledIdentity>()
  readonly #identities = new Set<Identity>()

  /** @param allocator of local numbers. */
  constructor(allocator: IdentityAllocator) {
    this.#allocator = allocator
  }

  /** By prefix, canonical text: what the ipcache must say. */
  addresses(): Map<string, Identity> {
    const addresses = new Map([...this.#inUse].map(([prefix, { identity }]) => [prefix, identity]))
    // IPv4 lies inside of IPv6 there (::ffff:0:0/96), but a prefix of IPv6 does not mean it.
    const isInside = [...addresses.keys()].some((prefix) => isAroundIPv4(prefix))
    if (isInside && !addresses.has('0.0.0.0/0')) addresses.set('0.0.0.0/0', WORLD_IDENTITY)
    return addresses
  }

  has(prefix: string): boolean {
    return this.#inUse.has(prefix)
  }

  holds(identity: Identity): boolean {
    return this.#identities.has(identity)
  }

  prefixes(): string[] {
    return [...this.#inUse.keys()]
  }

  /** Numbers are durable when this returns. @throws what the allocator throws, having changed nothing */
  add(prefixes: readonly string[]): LabelledIdentity[] {
    const fresh = prefixes.filter((prefix) => !this.#inUse.has(prefix))
    const labels = fresh.map((prefix) => prefixLabels(prefix))
    const plain = fresh.flatMap((prefix, i) => (FAMILIES.has(prefix) ? [] : (labels[i] ?? [])))
    const numbers = this.#allocator.allocate(plain)[Symbol.iterator]()
    return fresh.flatMap((prefix, i) => {
      const identity = FAMILIES.get(prefix) ?? numbers.next().value
      const set = labels[i]
      if (identity === undefined || set === undefined) throw new Error('allocator answered too little')
      this.#inUse.set(prefix, { identity, labels: set })
      this.#identities.add(identity)
      return [{ identity, labels: set }]
    })
  }

  remove(prefixes: readonly string[]): Identity[] {
    return prefixes.flatMap((prefix) => {
      const known = this.#inUse.get(prefix)
      if (known === undefined) return []
      this.#inUse.delete(prefix)
      this.#identities.delete(known.identity)
      this.#allocator.release(known.identity)
      return [known.identity]
    })
  }
}

const IPV4 = parsePrefix('0.0.0.0/0')

function isAroundIPv4(prefix: string): boolean {
  return prefix.includes(':') && contains(parsePrefix(prefix), IPV4)
}
