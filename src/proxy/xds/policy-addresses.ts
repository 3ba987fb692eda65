// Which policy an address has. An agent that is not the datapath's may number endpoints in its own way, so NPDS
// policies are found as cilium/proxy finds them: egress by the source address, ingress by the destination's.
import { isIP } from 'node:net'
import { formatAddress, parseAddress } from '../../lib/address.ts'
import { asEndpointId, type EndpointId } from '../../lib/brands.ts'
import type { NetworkPolicy } from '../../policy/network-policy.ts'

/** Of no policy, since ids have 16 bits: who has it is denied. */
const NOBODY = asEndpointId(0x1_0000)

export class PolicyAddresses {
  readonly #endpoints = new Map<string, EndpointId>()

  constructor(policies: readonly NetworkPolicy[]) {
    for (const { endpointId, endpointIps } of policies) {
      for (const ip of endpointIps) this.#endpoints.set(canonicalAddress(ip), endpointId)
    }
  }

  /** `address`: 16 bytes, network order, IPv4 mapped. */
  find(address: Uint8Array): EndpointId {
    return this.#endpoints.get(formatAddress(address)) ?? NOBODY
  }
}

/** One spelling per address; what is none stays as it is. */
export function canonicalAddress(text: string): string {
  return isIP(text) === 0 || text.includes('%') ? text : formatAddress(parseAddress(text))
}
