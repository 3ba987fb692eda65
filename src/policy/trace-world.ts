// What a trace looks at: the interface at which the agent, or files without one, meet the tracer.
import type { EndpointId, Identity, Revision } from '../lib/brands.ts'
import type { LabelSet } from './labels.ts'
import type { PolicyMapEntry } from './policy-map.ts'
import type { PolicyRepository } from './repository.ts'
import type { PortName } from './rule-model.ts'

export interface TracedEndpoint {
  readonly id: EndpointId
  readonly name: string
  readonly namespace: string
  readonly identity: Identity
  /** Those that make the identity. */
  readonly labels: LabelSet
  readonly addresses: readonly string[]
  readonly ports: readonly PortName[]
  /** Why its policy is not enforced as it should be; '' when it is. */
  readonly problem: string
}

export interface TraceWorld {
  readonly revision: Revision
  readonly repository: PolicyRepository
  readonly endpoints: readonly TracedEndpoint[]
  /** What the kernel looks flows of an endpoint up in. */
  mapEntries(endpoint: EndpointId): readonly PolicyMapEntry[]
  /** Which identity an address has: the longest prefix counts; outside of all it is `world`. */
  ipcache(): Iterable<{ readonly prefix: string; readonly identity: Identity }>
  /** What else would keep traffic from what policy says, e.g. that no proxy is there. */
  readonly problems: readonly string[]
}
