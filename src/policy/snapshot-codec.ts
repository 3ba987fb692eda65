// PolicySnapshot <-> weir.v1.Snapshot messages as plain objects.
import type { Snapshot, Snapshot__Output } from '../gen/weir/v1/Snapshot.ts'
import { asEndpointId, asIdentity, asRevision } from '../lib/brands.ts'
import type { PolicySnapshot } from './network-policy.ts'
import { decodeNetworkPolicy, encodeNetworkPolicy } from './npds-codec.ts'

export function encodeSnapshot(snapshot: PolicySnapshot): Snapshot {
  return {
    revision: snapshot.revision,
    policies: snapshot.policies.map(encodeNetworkPolicy),
    endpoints: snapshot.endpoints.map((endpoint) => ({ ...endpoint, addresses: [...endpoint.addresses] })),
    identities: snapshot.identities.map(({ identity, labels }) => ({ identity, labels: [...labels] })),
  }
}

/** @throws WeirError POLICY_INVALID when a policy uses a field that the proxy does not enforce. */
export function decodeSnapshot(message: Snapshot__Output): PolicySnapshot {
  return {
    revision: asRevision(message.revision),
    policies: message.policies.map(decodeNetworkPolicy),
    endpoints: message.endpoints.map((endpoint) => ({
      id: asEndpointId(endpoint.id),
      name: endpoint.name,
      namespace: endpoint.namespace,
      identity: asIdentity(endpoint.identity),
      addresses: endpoint.addresses,
    })),
    identities: message.identities.map(({ identity, labels }) => ({
      identity: asIdentity(identity),
      labels,
    })),
  }
}
