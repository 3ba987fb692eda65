// Names for the numbers that a connection carries: what a record says about both its ends.
import type { EndpointId, Identity } from '../lib/brands.ts'
import type { FlowEndpoint } from '../lib/flow.ts'
import type { EndpointInfo, IdentityInfo } from '../policy/network-policy.ts'

const NO_LABELS: readonly string[] = []
/** Kept, then all are forgotten. */
const MAX_DESCRIBED = 4096

export class Directory {
  readonly #endpoints: ReadonlyMap<number, EndpointInfo>
  readonly #labels: ReadonlyMap<number, readonly string[]>
  /** By endpoint * 2^32 + identity. */
  readonly #described = new Map<number, FlowEndpoint>()

  constructor(endpoints: readonly EndpointInfo[], identities: readonly IdentityInfo[]) {
    this.#endpoints = new Map(endpoints.map((endpoint) => [endpoint.id, endpoint]))
    this.#labels = new Map(identities.map(({ identity, labels }) => [identity, labels]))
  }

  /** undefined: not a workload of this node, or nobody has told of it. */
  identityOf(endpoint: EndpointId | 0): Identity | undefined {
    return this.#endpoints.get(endpoint)?.identity
  }

  /** `endpoint` 0: not a workload of this node. The same object for the same numbers, as long as it is remembered. */
  describe(endpoint: EndpointId | 0, identity: Identity): FlowEndpoint {
    const key = endpoint * 2 ** 32 + identity
    const known = this.#described.get(key)
    if (known !== undefined) return known
    const info = this.#endpoints.get(endpoint)
    const described = {
      ID: endpoint,
      identity,
      namespace: info?.namespace ?? '',
      labels: this.#labels.get(identity) ?? NO_LABELS,
      pod_name: info?.name ?? '',
    }
    if (this.#described.size >= MAX_DESCRIBED) this.#described.clear()
    this.#described.set(key, described)
    return described
  }
}
