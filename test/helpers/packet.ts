// Ethernet frames for BPF_PROG_TEST_RUN. Checksums are left zero: the programs do not look at them.
import { isMappedIPv4, parseAddress } from '../../src/lib/address.ts'

export interface Frame {
  readonly source: string
  readonly destination: string
  readonly l4: Buffer
  readonly protocol: number
  /** IPv4: flags and fragment offset field. */
  readonly fragment?: number
  /** IPv4: option bytes, a multiple of 4. */
  readonly options?: Buffer
}

export const TCP = { fin: 0x01, syn: 0x02, rst: 0x04, ack: 0x10 } as const
export const IPPROTO = { icmp: 1, tcp: 6, udp: 17, fragment: 44, icmpv6: 58, hopopts: 0 } as const

export function tcp(sourcePort: number, destinationPort: number, flags: number): Buffer {
  const header = Buffer.alloc(20)
  header.writeUInt16BE(sourcePort, 0)
  header.writeUInt16BE(destinationPort, 2)
  header.writeUInt8(5 << 4, 12)
  header.writeUInt8(flags, 13)
  return header
}

export function udp(sourcePort: number, destinationPort: number): Buffer {
  const header = Buffer.alloc(8)
  header.writeUInt16BE(sourcePort, 0)
  header.writeUInt16BE(destinationPort, 2)
  header.writeUInt16BE(8, 4)
  return header
}

export function icmp(type: number, id: number, payload: Buffer = Buffer.alloc(0)): Buffer {
  const header = Buffer.alloc(8)
  header.writeUInt8(type, 0)
  header.writeUInt16BE(id, 4)
  return Buffer.concat([header, payload])
}

export function ethernet(etherType: number, payload: Buffer): Buffer {
  const header = Buffer.alloc(14)
  header.writeUInt16BE(etherType, 12)
  // The kernel refuses test frames shorter than an Ethernet header; pad to the minimum frame.
  return Buffer.concat([header, payload, Buffer.alloc(Math.max(0, 46 - payload.length))])
}

/** IPv4 or IPv6 header by the family of the source, then `l4`. */
export function ip(frame: Frame): Buffer {
  const source = parseAddress(frame.source)
  const destination = parseAddress(frame.destination)
  if (!isMappedIPv4(source)) {
    const header = Buffer.alloc(40)
    header.writeUInt8(0x60, 0)
    header.writeUInt16BE(frame.l4.length, 4)
    header.writeUInt8(frame.protocol, 6)
    header.writeUInt8(64, 7)
    header.set(source, 8)
    header.set(destination, 24)
    return Buffer.concat([header, frame.l4])
  }
  const options = frame.options ?? Buffer.alloc(0)
  const header = Buffer.alloc(20)
  header.writeUInt8(0x40 | (5 + options.length / 4), 0)
  header.writeUInt16BE(20 + options.length + frame.l4.length, 2)
  header.writeUInt16BE(frame.fragment ?? 0, 6)
  header.writeUInt8(64, 8)
  header.writeUInt8(frame.protocol, 9)
  header.set(source.subarray(12), 12)
  header.set(destination.subarray(12), 16)
  return Buffer.concat([header, options, frame.l4])
}

export function ipFrame(frame: Frame): Buffer {
  const packet = ip(frame)
  return ethernet((packet[0] ?? 0) >> 4 === 6 ? 0x86dd : 0x0800, packet)
}
