// Names for the numbers that a connection carries: what a record says about both its ends.
import type { EndpointId, Identity } from '../lib/brands.ts'
import type { FlowEndpoint } from '../lib/flow.ts'
import type { EndpointInfo, IdentityInfo } from '../policy/network-policy.ts'

const NO_LABELS: readonly string[] = []

export class Directory {
  readonly #endpoints: ReadonlyMap<number, EndpointInfo>
  readonly #labels: ReadonlyMap<number, readonly string[]>

  constructor(endpoints: readonly EndpointInfo[], identities: readonly IdentityInfo[]) {
    this.#endpoints = new Map(endpoints.map((endpoint) => [endpoint.id, endpoint]))
    this.#labels = new Map(identities.map(({ identity, labels }) => [identity, labels]))
  }

  /** `endpoint` 0: not a workload of this node. */
  describe(endpoint: EndpointId | 0, identity: Identity): FlowEndpoint {
    const info = this.#endpoints.get(endpoint)
    return {
      ID: endpoint,
      identity,
      namespace: info?.namespace ?? '',
      labels: this.#labels.get(identity) ?? NO_LABELS,
      pod_name: info?.name ?? '',
    }
  }
}
