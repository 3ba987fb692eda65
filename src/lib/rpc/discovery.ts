// What both ends of an xDS stream have in common: type URLs, and resources as google.protobuf.Any.
import type { Any__Output } from '../../gen/google/protobuf/Any.ts'
import type { NetworkPolicy, NetworkPolicy__Output } from '../../gen/cilium/NetworkPolicy.ts'
import type { NetworkPolicyHosts } from '../../gen/cilium/NetworkPolicyHosts.ts'
import { protos } from './load.ts'

export const NETWORK_POLICY_TYPE = 'type.googleapis.com/cilium.NetworkPolicy'
export const NETWORK_POLICY_HOSTS_TYPE = 'type.googleapis.com/cilium.NetworkPolicyHosts'

/** `user_agent_name` of our own proxies. They alone get fields that others would misunderstand. */
export const WEIR_USER_AGENT = 'weir'

/** One stream per type, or all types on one stream. */
export type XdsMode = 'split' | 'ads'

/** A resource as it travels. */
export interface PackedResource {
  readonly type_url: string
  readonly value: Buffer
}

export function packNetworkPolicy(policy: NetworkPolicy): PackedResource {
  return { type_url: NETWORK_POLICY_TYPE, value: protos().cilium.NetworkPolicy.serialize(policy) }
}

/** @throws Error when the bytes are no such message. */
export function unpackNetworkPolicy({ value }: Any__Output): NetworkPolicy__Output {
  return protos().cilium.NetworkPolicy.deserialize(value)
}

export function packNetworkPolicyHosts(hosts: NetworkPolicyHosts): PackedResource {
  return { type_url: NETWORK_POLICY_HOSTS_TYPE, value: protos().cilium.NetworkPolicyHosts.serialize(hosts) }
}

/** `type.googleapis.com/cilium.NetworkPolicy` -> `NetworkPolicy`, for people. */
export function shortType(typeUrl: string): string {
  return typeUrl.slice(typeUrl.lastIndexOf('.') + 1)
}
