// One revision of everything that xDS clients can subscribe to, packed when the first of them wants it.
import {
  NETWORK_POLICY_HOSTS_TYPE,
  NETWORK_POLICY_TYPE,
  packNetworkPolicy,
  packNetworkPolicyHosts,
  type PackedResource,
} from '../../lib/rpc/discovery.ts'
import { HOST_IDENTITY } from '../../policy/identity.ts'
import type { NetworkPolicy, PolicySnapshot } from '../../policy/network-policy.ts'
import { encodeNetworkPolicy } from '../../policy/npds-codec.ts'
import { forOtherProxies } from '../../policy/npds-foreign.ts'

export const RESOURCE_TYPES: readonly string[] = [NETWORK_POLICY_TYPE, NETWORK_POLICY_HOSTS_TYPE]

/** Policies that a change leaves alone are the same objects in the next snapshot: packed once in their life. */
const packedForUs = new WeakMap<NetworkPolicy, PackedResource>()
const packedForOthers = new WeakMap<NetworkPolicy, PackedResource>()

export class ResourceSet {
  readonly revision: number
  readonly #snapshot: PolicySnapshot
  readonly #hostAddresses: readonly string[]

  /** `hostAddresses`: of the node itself; no endpoint has them. */
  constructor(snapshot: PolicySnapshot, hostAddresses: readonly string[]) {
    this.revision = snapshot.revision
    this.#snapshot = snapshot
    this.#hostAddresses = hostAddresses
  }

  /**
   * @param names decimal endpoint ids or identities; undefined = all. Those that do not exist are left out.
   * @param isWeir whether the receiver is a proxy of ours, which knows all that a policy may say.
   */
  pack(typeUrl: string, names: ReadonlySet<string> | undefined, isWeir: boolean): PackedResource[] {
    const isWanted = (name: number): boolean => names === undefined || names.has(String(name))
    if (typeUrl === NETWORK_POLICY_TYPE) {
      return this.#snapshot.policies
        .filter(({ endpointId }) => isWanted(endpointId))
        .map((policy) => packPolicy(policy, isWeir))
    }
    return [...this.#addressesByIdentity()]
      .filter(([identity]) => isWanted(identity))
      .map(([identity, addresses]) => {
        return packNetworkPolicyHosts({ policy: identity, hostAddresses: [...addresses].sort() })
      })
  }

  #addressesByIdentity(): Map<number, Set<string>> {
    const result = new Map<number, Set<string>>()
    const add = (identity: number, address: string): void => {
      const addresses = result.get(identity) ?? new Set()
      result.set(identity, addresses.add(address))
    }
    const ofEndpoints = new Set<string>()
    for (const { identity, addresses } of this.#snapshot.endpoints) {
      for (const address of addresses) {
        add(identity, address)
        ofEndpoints.add(address)
      }
    }
    // An address may be in one resource only: receivers refuse the update otherwise.
    for (const address of this.#hostAddresses) if (!ofEndpoints.has(address)) add(HOST_IDENTITY, address)
    return result
  }
}

function packPolicy(policy: NetworkPolicy, isWeir: boolean): PackedResource {
  const cache = isWeir ? packedForUs : packedForOthers
  const known = cache.get(policy)
  if (known !== undefined) return known
  const packed = packNetworkPolicy(encodeNetworkPolicy(isWeir ? policy : forOtherProxies(policy)))
  cache.set(policy, packed)
  return packed
}
