// What is enforced for one endpoint. Immutable; equal parts are shared between endpoints and revisions, and
// what nobody asks for is not made.
import type { EndpointId, Identity } from '../lib/brands.ts'
import type { MapState } from './map-state.ts'
import type { Direction, NetworkPolicy } from './network-policy.ts'
import type { PolicyMapEntry } from './policy-map.ts'
import type { PolicyMapDiff } from './policy-map-diff.ts'
import type { ResolvedDirection } from './resolve.ts'

/** What endpoints of an identity share. */
export class Resolved {
  readonly ingress: ResolvedDirection
  readonly egress: ResolvedDirection
  #mapEntries: readonly PolicyMapEntry[] | undefined

  constructor(ingress: ResolvedDirection, egress: ResolvedDirection) {
    this.ingress = ingress
    this.egress = egress
  }

  get mapEntries(): readonly PolicyMapEntry[] {
    this.#mapEntries ??= [...this.ingress.map.entries(), ...this.egress.map.entries()]
    return this.#mapEntries
  }
}

export class EndpointPolicy {
  readonly identity: Identity
  readonly #id: EndpointId
  readonly #addresses: readonly string[]
  readonly #resolved: Resolved
  #networkPolicy: NetworkPolicy | undefined

  constructor(id: EndpointId, identity: Identity, addresses: readonly string[], resolved: Resolved) {
    this.identity = identity
    this.#id = id
    this.#addresses = addresses
    this.#resolved = resolved
  }

  get endpointId(): EndpointId {
    return this.#id
  }

  /** Whether the direction is closed by default. */
  get enforced(): Readonly<Record<Direction, boolean>> {
    return { ingress: this.#resolved.ingress.enforced, egress: this.#resolved.egress.enforced }
  }

  get networkPolicy(): NetworkPolicy {
    this.#networkPolicy ??= {
      endpointId: this.#id,
      endpointIps: this.#addresses,
      ingress: this.#resolved.ingress.portPolicies,
      egress: this.#resolved.egress.portPolicies,
    }
    return this.#networkPolicy
  }

  /** How many entries the policy map needs; tells without making them. */
  get mapSize(): number {
    return this.#resolved.ingress.map.size + this.#resolved.egress.map.size
  }

  get mapEntries(): readonly PolicyMapEntry[] {
    return this.#resolved.mapEntries
  }

  map(direction: Direction): MapState {
    return this.#resolved[direction].map
  }

  /** Map changes from `before` to this, as cheap as they are few. undefined = from an empty map. */
  deltaFrom(before: EndpointPolicy | undefined): PolicyMapDiff {
    const parts = (['ingress', 'egress'] as const).map((direction) => {
      return this.map(direction).deltaFrom(before?.map(direction))
    })
    return {
      additions: parts.flatMap(({ additions }) => additions),
      deletions: parts.flatMap(({ deletions }) => deletions),
    }
  }
}
