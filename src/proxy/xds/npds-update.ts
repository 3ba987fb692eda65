// One NPDS response -> the policies to enforce, all or nothing.
import type { Any__Output } from '../../gen/google/protobuf/Any.ts'
import { asRevision } from '../../lib/brands.ts'
import { WeirError, errorMessage } from '../../lib/errors.ts'
import { NETWORK_POLICY_TYPE, unpackNetworkPolicy } from '../../lib/rpc/discovery.ts'
import type { NetworkPolicy, PolicySnapshot } from '../../policy/network-policy.ts'
import { decodeNetworkPolicy } from '../../policy/npds-codec.ts'
import { closeUnsupported } from '../../policy/npds-unsupported.ts'
import { canonicalAddress } from './policy-addresses.ts'

export interface NpdsResponse {
  /** Opaque. */
  readonly versionInfo: string
  readonly resources: readonly Any__Output[]
}

export interface NpdsUpdate {
  /** Without names, which NPDS does not carry. */
  readonly snapshot: PolicySnapshot
  /** Rules that became denials because they ask for what this proxy cannot do; one line each. */
  readonly closed: readonly string[]
}

/**
 * @param isNewStream whether no response of its stream has been accepted yet
 * @param updates responses accepted so far: stands in for a revision when the version is no number
 * @throws Error with the reason for a NACK, in the words of cilium/proxy where it refuses the same.
 */
export function readNpdsUpdate(response: NpdsResponse, isNewStream: boolean, updates: number): NpdsUpdate {
  const policies: NetworkPolicy[] = []
  const closed: string[] = []
  for (const resource of response.resources) {
    const result = closeUnsupported(unpack(resource))
    policies.push(decodeNetworkPolicy(result.policy))
    closed.push(...result.closed)
  }
  checkKeys(policies, response.versionInfo, isNewStream)
  const revision = asRevision(revisionOf(response.versionInfo) ?? updates + 1)
  return { snapshot: { revision, policies, endpoints: [], identities: [] }, closed }
}

function unpack(resource: Any__Output): ReturnType<typeof unpackNetworkPolicy> {
  if (resource.type_url !== NETWORK_POLICY_TYPE) {
    refuse(`resource type ${JSON.stringify(resource.type_url)} is not ${NETWORK_POLICY_TYPE}`)
  }
  try {
    return unpackNetworkPolicy(resource)
  } catch (error) {
    return refuse(`resource is no cilium.NetworkPolicy: ${errorMessage(error)}`)
  }
}

/** Policies are found by name, the endpoint's id, and by each address: none of these may lead to two. */
function checkKeys(policies: readonly NetworkPolicy[], version: string, isNewStream: boolean): void {
  const owners = new Map<string, number>()
  for (const { endpointId, endpointIps } of policies) {
    for (const key of [String(endpointId), ...endpointIps]) {
      if (!/^\S+$/.test(key)) {
        refuse(
          `policy of endpoint ${endpointId}: endpoint ip ${JSON.stringify(key)} is empty or has white space`,
        )
      }
      const canonical = canonicalAddress(key)
      const owner = owners.get(canonical)
      if (owner !== undefined) {
        refuse(
          `NetworkPolicyResource update for version ${version} has duplicate resource key '${key}' on ` +
            `${isNewStream ? 'a new' : 'an old'} stream: endpoint ${endpointId} after endpoint ${owner}`,
        )
      }
      owners.set(canonical, endpointId)
    }
  }
}

/** For records only. */
function revisionOf(version: string): number | undefined {
  const number = /^\d+$/.test(version) ? Number(version) : NaN
  return Number.isSafeInteger(number) ? number : undefined
}

function refuse(problem: string): never {
  throw new WeirError('POLICY_INVALID', problem)
}
