// sockaddr_in and sockaddr_in6 <-> 16-byte addresses (IPv4 mapped), in one buffer reused by every call.
//
//   sockaddr_in    u16 family, be16 port, be32 address, 8 zero bytes
//   sockaddr_in6   u16 family, be16 port, be32 flow, 16-byte address, u32 scope
import { ADDRESS_BYTES, isMappedIPv4 } from '../../lib/address.ts'
import { addressOf, AF_INET, AF_INET6, getsockname } from './syscalls.ts'

const SOCKADDR_IN_BYTES = 16
const SOCKADDR_IN6_BYTES = 28
const MAPPED_PREFIX = Uint8Array.of(0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff)
const IS_LITTLE_ENDIAN = new Uint8Array(Uint16Array.of(1).buffer)[0] === 1

// [0, 28) the sockaddr, [32, 36) its socklen_t.
const area = Buffer.allocUnsafeSlow(40).fill(0)
const length = new Int32Array(area.buffer, 32, 1)

/** Pointers for calls that fill a sockaddr; `prepare` first, `decode...` after. */
export const sockaddrPointer = addressOf(area)
export const socklenPointer = sockaddrPointer + 32

/** AF_INET for IPv4-mapped addresses, AF_INET6 otherwise. */
export function familyOf(address: Uint8Array): number {
  return isMappedIPv4(address) ? AF_INET : AF_INET6
}

/** Fill the area for bind or connect. `port` in host order. Returns the length to pass. */
export function encodeSockaddr(address: Uint8Array, port: number): number {
  const family = familyOf(address)
  area.fill(0, 0, SOCKADDR_IN6_BYTES)
  writeFamily(family)
  area[2] = port >> 8
  area[3] = port & 0xff
  if (family === AF_INET) {
    // Not `subarray`: it would move the few bytes out of the JavaScript heap for good.
    for (let i = 0; i < 4; i++) area[4 + i] = address[12 + i]!
    return SOCKADDR_IN_BYTES
  }
  area.set(address, 8)
  return SOCKADDR_IN6_BYTES
}

/** Allow the kernel to write a whole sockaddr_in6. */
export function prepareSockaddr(): void {
  length[0] = SOCKADDR_IN6_BYTES
}

/** The address that the kernel wrote: 16 bytes, IPv4 mapped. Others may hold the same object: do not change it. */
export function decodeAddress(): Uint8Array {
  if (readFamily() === AF_INET) return ipv4Address()
  const address = new Uint8Array(ADDRESS_BYTES)
  for (let i = 0; i < ADDRESS_BYTES; i++) address[i] = area[8 + i]!
  return address
}

/** IPv4 addresses by their number: few peers make many connections, and each array takes 200 bytes. */
const known = new Map<number, Uint8Array>()
/** Then all are forgotten. */
const MAX_KNOWN = 4096

function ipv4Address(): Uint8Array {
  const number = ((area[4]! << 24) | (area[5]! << 16) | (area[6]! << 8) | area[7]!) >>> 0
  const found = known.get(number)
  if (found !== undefined) return found
  const address = new Uint8Array(ADDRESS_BYTES)
  address.set(MAPPED_PREFIX)
  for (let i = 0; i < 4; i++) address[12 + i] = area[4 + i]!
  if (known.size >= MAX_KNOWN) known.clear()
  known.set(number, address)
  return address
}

/** The port that the kernel wrote, in host order. */
export function decodePort(): number {
  return ((area[2] ?? 0) << 8) | (area[3] ?? 0)
}

/** Fill the area with the local end of `fd`. False when the kernel refuses. */
export function readLocalEnd(fd: number): boolean {
  prepareSockaddr()
  return getsockname(fd, sockaddrPointer, socklenPointer) === 0
}

function writeFamily(family: number): void {
  area[IS_LITTLE_ENDIAN ? 0 : 1] = family
}

function readFamily(): number {
  return area[IS_LITTLE_ENDIAN ? 0 : 1] ?? 0
}
