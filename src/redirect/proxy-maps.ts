// The maps that a proxy worker uses: who speaks on an accepted connection with whom, its own listener slot, and how
// connections get to it.
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
import {
  configLayout,
  connectionLayout,
  endLayout,
  type FieldLayout,
  LISTENER_IPV6,
  tupleLayout,
} from './layouts.ts'
import { addressOf, ENOENT, kernelError, libbpf } from './libbpf.ts'
import { redirectByNumber, type Redirect } from './redirect.ts'

const IPPROTO_TCP = 6
const KEY = {
  source: offsetOf(tupleLayout.fields, 'source'),
  destination: offsetOf(tupleLayout.fields, 'destination'),
  sourcePort: offsetOf(tupleLayout.fields, 'source_port'),
  destinationPort: offsetOf(tupleLayout.fields, 'destination_port'),
  protocol: offsetOf(tupleLayout.fields, 'protocol'),
}
const VALUE = {
  revision: offsetOf(connectionLayout.fields, 'revision'),
  sourceIdentity: offsetOf(connectionLayout.fields, 'source_identity'),
  destinationIdentity: offsetOf(connectionLayout.fields, 'destination_identity'),
  egressEndpoint: offsetOf(connectionLayout.fields, 'egress_endpoint'),
  ingressEndpoint: offsetOf(connectionLayout.fields, 'ingress_endpoint'),
}
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
  private readonly originals: BpfMap
  private readonly config: BpfMap
  // Once per connection: no buffer and no object is made for it, and koffi copies nothing.
  private readonly key = Buffer.allocUnsafeSlow(tupleLayout.bytes).fill(0)
  private readonly value = Buffer.allocUnsafeSlow(connectionLayout.bytes)
  private readonly keyPointer = addressOf(this.key)
  private readonly valuePointer = addressOf(this.value)

  /** @throws WeirError KERNEL_UNSUPPORTED when the agent has not pinned the maps */
  constructor(bpffsDir: string) {
    this.connections = BpfMap.openPinned(bpffsDir, 'weir_conns', tupleLayout.bytes, connectionLayout.bytes)
    this.listeners = BpfMap.openPinned(bpffsDir, 'weir_listeners', SLOT_BYTES, SOCKET_BYTES)
    this.originals = BpfMap.openPinned(bpffsDir, 'weir_nat', endLayout.bytes, endLayout.bytes)
    this.config = BpfMap.openPinned(bpffsDir, 'weir_config', SLOT_BYTES, configLayout.bytes)
    this.key.writeUInt8(IPPROTO_TCP, KEY.protocol)
  }

  /** What the agent has set up. It cannot change without `weir cleanup`. */
  redirect(): Redirect {
    const value = this.config.lookup(Buffer.alloc(SLOT_BYTES))
    return redirectByNumber(value === undefined ? 0 : configLayout.decode(value).redirect)
  }

  /** Where a client wanted to go whose packets were rewritten to the proxy; undefined = nobody knows: close it. */
  originalDestination(
    address: Uint8Array,
    port: number,
  ): { readonly address: Uint8Array; readonly port: number } | undefined {
    const value = this.originals.lookup(endLayout.encode({ address, port }))
    return value === undefined ? undefined : endLayout.decode(value)
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
    const { key, value } = this
    key.set(source, KEY.source)
    key.set(destination, KEY.destination)
    key.writeUInt16BE(sourcePort, KEY.sourcePort)
    key.writeUInt16BE(destinationPort, KEY.destinationPort)
    const result = libbpf().mapTake(this.connections.fd, this.keyPointer, this.valuePointer) as number
    if (result === -ENOENT) return undefined
    if (result < 0) throw kernelError(`take from map ${this.connections.name}`, result)
    const high = value.readUInt32LE(VALUE.revision + 4)
    return {
      revision: asRevision(high * 2 ** 32 + value.readUInt32LE(VALUE.revision)),
      sourceIdentity: asIdentity(value.readUInt32LE(VALUE.sourceIdentity)),
      destinationIdentity: asIdentity(value.readUInt32LE(VALUE.destinationIdentity)),
      egressEndpoint: asEndpointId(value.readUInt16LE(VALUE.egressEndpoint)),
      ingressEndpoint: asEndpointId(value.readUInt16LE(VALUE.ingressEndpoint)),
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

function offsetOf(fields: readonly FieldLayout[], name: string): number {
  const field = fields.find((candidate) => candidate.name === name)
  if (field === undefined) throw new Error(`no field ${name}`)
  return field.offset
}
