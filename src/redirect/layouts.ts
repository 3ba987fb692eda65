// Byte layouts of everything shared with BPF, declared once as data. Mirrors bpf/include/layout.h;
// test/bpf/layout.test.ts compares fields, offsets, sizes and byte order with the BTF of the built objects.

/** u*: host order (little endian on every supported machine). be16: network order. address: 16 bytes, network order. */
type FieldType = 'u8' | 'u16' | 'u32' | 'u64' | 'be16' | 'address' | 'pad8' | 'pad16' | 'pad24' | 'pad32'

type FieldValue<T extends FieldType> = T extends 'u64' ? bigint : T extends 'address' ? Uint8Array : number

type FieldSpec = Readonly<Record<string, FieldType>>
type DataFields<S extends FieldSpec> = {
  [K in keyof S as S[K] extends `pad${string}` ? never : K]: FieldValue<S[K]>
}

export interface FieldLayout {
  readonly name: string
  readonly type: FieldType
  readonly offset: number
  readonly bytes: number
}

const FIELD_BYTES: Record<FieldType, number> = {
  u8: 1,
  u16: 2,
  u32: 4,
  u64: 8,
  be16: 2,
  address: 16,
  pad8: 1,
  pad16: 2,
  pad24: 3,
  pad32: 4,
}

export interface Layout<S extends FieldSpec> {
  readonly name: string
  readonly bytes: number
  readonly fields: readonly FieldLayout[]
  /** A fresh buffer; padding is zero. */
  encode(values: DataFields<S>): Buffer
  /** @param buffer must hold `bytes` bytes from `offset`. */
  decode(buffer: Buffer, offset?: number): DataFields<S>
}

function defineLayout<const S extends FieldSpec>(name: string, spec: S): Layout<S> {
  let bytes = 0
  const fields = Object.entries(spec).map(([field, type]) => {
    const layout: FieldLayout = { name: field, type, offset: bytes, bytes: FIELD_BYTES[type] }
    bytes += layout.bytes
    return layout
  })
  return {
    name,
    bytes,
    fields,
    encode(values) {
      const buffer = Buffer.alloc(bytes)
      for (const field of fields) writeField(buffer, field, (values as Record<string, unknown>)[field.name])
      return buffer
    },
    decode(buffer, offset = 0) {
      const values: Record<string, unknown> = {}
      for (const field of fields) {
        if (!field.type.startsWith('pad')) values[field.name] = readField(buffer, offset, field)
      }
      return values as DataFields<S>
    },
  }
}

function writeField(buffer: Buffer, field: FieldLayout, value: unknown): void {
  switch (field.type) {
    case 'u8':
      buffer.writeUInt8(value as number, field.offset)
      break
    case 'u16':
      buffer.writeUInt16LE(value as number, field.offset)
      break
    case 'u32':
      buffer.writeUInt32LE(value as number, field.offset)
      break
    case 'u64':
      buffer.writeBigUInt64LE(value as bigint, field.offset)
      break
    case 'be16':
      buffer.writeUInt16BE(value as number, field.offset)
      break
    case 'address':
      buffer.set(value as Uint8Array, field.offset)
      break
    case 'pad8':
    case 'pad16':
    case 'pad24':
    case 'pad32':
      break
  }
}

function readField(buffer: Buffer, base: number, field: FieldLayout): unknown {
  const offset = base + field.offset
  switch (field.type) {
    case 'u8':
      return buffer.readUInt8(offset)
    case 'u16':
      return buffer.readUInt16LE(offset)
    case 'u32':
      return buffer.readUInt32LE(offset)
    case 'u64':
      return buffer.readBigUInt64LE(offset)
    case 'be16':
      return buffer.readUInt16BE(offset)
    case 'address':
      return new Uint8Array(buffer.subarray(offset, offset + field.bytes))
    case 'pad8':
    case 'pad16':
    case 'pad24':
    case 'pad32':
      return undefined
  }
}

export const tupleLayout = defineLayout('weir_tuple', {
  source: 'address',
  destination: 'address',
  source_port: 'be16',
  destination_port: 'be16',
  protocol: 'u8',
  pad: 'pad24',
})

export const connectionLayout = defineLayout('weir_connection', {
  revision: 'u64',
  source_identity: 'u32',
  destination_identity: 'u32',
  egress_endpoint: 'u16',
  ingress_endpoint: 'u16',
  slot: 'u32',
})

export const endpointLayout = defineLayout('weir_endpoint', { endpoint: 'u32', identity: 'u32' })

export const addressLayout = defineLayout('weir_address', { address: 'address' })

export const ipcacheKeyLayout = defineLayout('weir_ipcache_key', { prefix_bits: 'u32', address: 'address' })

export const policyKeyLayout = defineLayout('weir_policy_key', {
  prefix_bits: 'u32',
  identity: 'u32',
  direction: 'u8',
  protocol: 'u8',
  port: 'be16',
})

export const policyEntryLayout = defineLayout('weir_policy_entry', {
  precedence: 'u32',
  verdict: 'u8',
  specific_bits: 'u8',
  pad: 'pad16',
})

export const configLayout = defineLayout('weir_config', { revision: 'u64', redirect: 'u32', pad: 'pad32' })

export const endLayout = defineLayout('weir_end', { address: 'address', port: 'be16', pad: 'pad16' })

export const redirectConfigLayout = defineLayout('weir_redirect_config', { redirect: 'u32' })

export const eventLayout = defineLayout('weir_event', {
  source: 'address',
  destination: 'address',
  source_port: 'be16',
  destination_port: 'be16',
  protocol: 'u8',
  tuple_pad: 'pad24',
  source_identity: 'u32',
  destination_identity: 'u32',
  endpoint: 'u16',
  reason: 'u8',
  direction: 'u8',
  pad: 'pad32',
})

export const endpointConfigLayout = defineLayout('weir_endpoint_config', {
  endpoint: 'u32',
  identity: 'u32',
  redirect_ifindex: 'u32',
  flags: 'u32',
  redirect: 'u32',
})

/** WEIR_POLICY_*_BITS */
export const POLICY_FIXED_BITS = 40
export const POLICY_PROTOCOL_BITS = 8
/** WEIR_LISTENER_IPV6 */
export const LISTENER_IPV6 = 32

/** WEIR_MARK_*: bits 8..12 of skb->mark; on upstream sockets the upper half is the endpoint whose ingress was judged. */
export const MARK_MASK = 0x0f00
export const MARK_TO_PROXY = 0x0200
export const MARK_UPSTREAM = 0x0a00
export const MARK_DOWNSTREAM = 0x0b00
export const MARK_REPLY = 0x1000

/** WEIR_ENDPOINT_HAS_MASTER */
export const ENDPOINT_HAS_MASTER = 1

/** enum weir_redirect */
export const REDIRECT = { hybrid: 0, sk_lookup: 1, sk_assign: 2, tproxy: 3, nat: 4 } as const
/** WEIR_PROXY_PORT */
export const PROXY_PORT = 15_900

/** enum weir_direction */
export const DIRECTION = { ingress: 0, egress: 1 } as const
/** enum weir_verdict */
export const VERDICT = { deny: 0, allow: 1, redirect: 2, audit: 3 } as const

/** Reason of packets that are not dropped: see its meaning. */
export const AUDIT_REASON = 'POLICY_AUDIT'

/** enum weir_reason by number, with the meaning for an operator; docs/errors.md lists them. */
export const DROP_REASONS = [
  ['NONE', 'Not dropped.'],
  ['POLICY_DENIED', 'No rule of the endpoint in that direction admits peer, protocol and port.'],
  ['POLICY_DENY', 'A deny rule covers the packet.'],
  ['NO_POLICY_MAP', 'The endpoint has no policy map (yet): closed.'],
  ['INVALID_SOURCE_IP', 'The endpoint sent from an address that is not its own.'],
  ['UNSUPPORTED_L3_PROTOCOL', 'VLAN tag, or neither IPv4, IPv6 nor ARP.'],
  ['FRAGMENT', 'IP fragment: its ports are unknown, and no rule admits any port.'],
  ['IP_OPTIONS', 'IPv4 options: ports are not looked for, and no rule admits any port.'],
  ['IPV6_EXTENSION_HEADER', 'IPv6 extension header: only a rule for any protocol could admit it.'],
  ['MALFORMED_PACKET', 'Headers are cut off or contradict themselves.'],
  ['NO_LISTENER', 'The port is under L7 policy and no proxy worker is running: closed.'],
  ['MAP_UPDATE_FAILED', 'A flow could not be recorded (memory): closed.'],
  ['SOCKET_ASSIGN_FAILED', 'The kernel refused to hand the packet to the socket of the proxy.'],
  ['UNSUPPORTED_L4_REDIRECT', 'L7 policy covers the port, and the packet is not TCP with a readable port.'],
  ['UNEXPECTED_ON_REDIRECT_DEVICE', 'A packet that Weir did not put there arrived on weir0.'],
  [
    AUDIT_REASON,
    'Not dropped: a rule in audit or shadow mode would have denied the flow if it were enforced.',
  ],
  [
    'UPSTREAM_NOT_JUDGED',
    'NAT sent a connection of the proxy to an endpoint whose L7 rules the proxy had not applied.',
  ],
  ['STEERING_LOST', 'A packet for the proxy came to an endpoint: a bridge or route took it away.'],
  ['OTHER_ENDPOINT', 'A bridge flooded a packet of one endpoint to the port of another.'],
  ['REDIRECT_UNSUPPORTED', 'The redirect mode cannot bring this connection to the proxy: see `weir status`.'],
  ['NAT_PORT_TAKEN', 'Redirect mode nat: the client speaks with another server from the same port.'],
  ['NAT_ENTRY_MISSING', 'Redirect mode nat: the original destination of a connection was forgotten.'],
] as const

/** Counted by rules of netfilter, not by the programs, which never see such packets. */
export const UNKNOWN_PORT_REASON = 'UNKNOWN_PORT'

/** enum weir_reason has none of these. */
export const GATE_REASONS = [
  [
    UNKNOWN_PORT_REASON,
    'A container on a bridge sent a packet, or would have got it, before it was known: see docs/docker.md.',
  ],
] as const

export type DropReason = (typeof DROP_REASONS)[number][0]

export function dropReasonName(reason: number): string {
  return DROP_REASONS[reason]?.[0] ?? `REASON_${reason}`
}
