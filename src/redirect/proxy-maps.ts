// The two maps that a proxy worker uses: who speaks on an accepted connection, and its own listener slot.
import {
  asEndpointId,
  asIdentity,
  asRevision,
  type EndpointId,
  type Identity,
  type Revision,
} from '../lib/brands.ts'
import { MAX_WORKERS } from '../lib/limits.ts'
import { BpfMap } from './bpf-map.ts'
import { connectionLayout, LISTENER_IPV6, tupleLayout } from './layouts.ts'

const IPPROTO_TCP = 6
const SLOT_BYTES = 4
const SOCKET_BYTES = 8

export interface SteeredConnection {
  readonly revision: Revision
  readonly sourceIdentity: Identity
  readonly destinationIdentity: Identity
  /** 0: the source is no local endpoint. */
  readonly egressEndpoint: EndpointId
  /** 0: the destination is no local endpoint. */
  readonly ingressEndpoint: EndpointId
}

export class ProxyMaps {
  private readonly connections: BpfMap
  private readonly listeners: BpfMap
  private readonly key = Buffer.alloc(tupleLayout.bytes)

  /** @throws WeirError KERNEL_UNSUPPORTED when the agent has not pinned the maps */
  constructor(bpffsDir: string) {
    this.connections = BpfMap.openPinned(bpffsDir, 'weir_conns', tupleLayout.bytes, connectionLayout.bytes)
    this.listeners = BpfMap.openPinned(bpffsDir, 'weir_listeners', SLOT_BYTES, SOCKET_BYTES)
    this.key.writeUInt8(IPPROTO_TCP, 36)
  }

  /**
   * What the datapath wrote for this connection, read and removed; undefined when there is nothing: close it.
   * Addresses are 16 bytes, network order, IPv4 mapped. Ports in host order.
   */
  takeConnection(
    source: Uint8Array,
    sourcePort: number,
    destination: Uint8Array,
    destinationPort: number,
  ): SteeredConnection | undefined {
    this.key.set(source, 0)
    this.key.set(destination, 16)
    this.key.writeUInt16BE(sourcePort, 32)
    this.key.writeUInt16BE(destinationPort, 34)
    const value = this.connections.take(this.key)
    if (value === undefined) return undefined
    const connection = connectionLayout.decode(value)
    return {
      revision: asRevision(Number(connection.revision)),
      sourceIdentity: asIdentity(connection.source_identity),
      destinationIdentity: asIdentity(connection.destination_identity),
      egressEndpoint: asEndpointId(connection.egress_endpoint),
      ingressEndpoint: asEndpointId(connection.ingress_endpoint),
    }
  }

  /** Let the datapath steer to this listening socket. The slot empties by itself when the socket closes. */
  registerListener(slot: number, family: 'ipv4' | 'ipv6', fd: number): void {
    if (slot < 0 || slot >= MAX_WORKERS)
      throw new RangeError(`listener slot ${slot} is not 0..${MAX_WORKERS - 1}`)
    const key = Buffer.alloc(SLOT_BYTES)
    key.writeUInt32LE(slot + (family === 'ipv6' ? LISTENER_IPV6 : 0))
    const value = Buffer.alloc(SOCKET_BYTES)
    value.writeBigUInt64LE(BigInt(fd))
    this.listeners.update(key, value)
  }
}
