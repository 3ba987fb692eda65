// IP addresses as 16 bytes in network order, IPv4 mapped (::ffff:a.b.c.d), as the BPF maps hold them.
import { isIPv4, isIPv6 } from 'node:net'
import { WeirError } from './errors.ts'

export const ADDRESS_BYTES = 16
const MAPPED_PREFIX = Uint8Array.of(0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff)

export interface Prefix {
  /** 16 bytes, network order, host bits zero. */
  readonly address: Uint8Array
  /** 0..128 counted on the mapped form: IPv4 /24 is 120. */
  readonly bits: number
}

/** @throws WeirError CONFIG_INVALID when `text` is neither an IPv4 nor an IPv6 literal. */
export function parseAddress(text: string): Uint8Array {
  const bytes = new Uint8Array(ADDRESS_BYTES)
  if (isIPv4(text)) {
    bytes.set(MAPPED_PREFIX)
    text.split('.').forEach((part, i) => (bytes[12 + i] = Number(part)))
    return bytes
  }
  if (!isIPv6(text) || text.includes('%')) {
    throw new WeirError('CONFIG_INVALID', `address ${JSON.stringify(text)} is not an IPv4 or IPv6 literal`)
  }
  let groups = text
  const dotted = /^(.*:)(\d+\.\d+\.\d+\.\d+)$/.exec(text)
  if (dotted?.[1] !== undefined && dotted[2] !== undefined) {
    const [a = 0, b = 0, c = 0, d = 0] = dotted[2].split('.').map(Number)
    groups = `${dotted[1]}${((a << 8) | b).toString(16)}:${((c << 8) | d).toString(16)}`
  }
  const [head = '', tail] = groups.split('::')
  const left = head === '' ? [] : head.split(':')
  const right = tail === undefined || tail === '' ? [] : tail.split(':')
  const write = (group: string, at: number): void => {
    const value = Number.parseInt(group, 16)
    bytes[at] = value >> 8
    bytes[at + 1] = value & 0xff
  }
  left.forEach((group, i) => write(group, i * 2))
  right.forEach((group, i) => write(group, ADDRESS_BYTES - (right.length - i) * 2))
  return bytes
}

/** Asked several times per connection: a loop costs a tenth of `every`. */
export function isMappedIPv4(bytes: Uint8Array): boolean {
  for (let i = 0; i < MAPPED_PREFIX.length; i++) if (bytes[i] !== MAPPED_PREFIX[i]) return false
  return true
}

/** The text form; IPv4-mapped addresses come out dotted, IPv6 in the form of RFC 5952. */
export function formatAddress(bytes: Uint8Array): string {
  if (isMappedIPv4(bytes)) return `${bytes[12] ?? 0}.${bytes[13] ?? 0}.${bytes[14] ?? 0}.${bytes[15] ?? 0}`
  const groups: number[] = []
  for (let i = 0; i < ADDRESS_BYTES; i += 2) groups.push(((bytes[i] ?? 0) << 8) | (bytes[i + 1] ?? 0))
  const zeros = longestZeroRun(groups)
  const hex = (part: number[]): string => part.map((group) => group.toString(16)).join(':')
  if (zeros.length < 2) return hex(groups)
  return `${hex(groups.slice(0, zeros.start))}::${hex(groups.slice(zeros.start + zeros.length))}`
}

function longestZeroRun(groups: readonly number[]): { start: number; length: number } {
  let best = { start: 0, length: 0 }
  for (let i = 0; i < groups.length; i++) {
    let length = 0
    while (groups[i + length] === 0) length++
    if (length > best.length) best = { start: i, length }
    i += length
  }
  return best
}

/** Parse `address` or `address/bits`. @throws WeirError CONFIG_INVALID */
export function parsePrefix(text: string): Prefix {
  const slash = text.indexOf('/')
  const address = parseAddress(slash < 0 ? text : text.slice(0, slash))
  const offset = isMappedIPv4(address) ? 96 : 0
  const suffix = slash < 0 ? String(128 - offset) : text.slice(slash + 1)
  const bits = /^\d{1,3}$/.test(suffix) ? Number(suffix) + offset : Number.NaN
  if (!(bits <= 128)) {
    throw new WeirError(
      'CONFIG_INVALID',
      `prefix length of ${JSON.stringify(text)} is not 0..${128 - offset}`,
    )
  }
  for (let bit = bits; bit < 128; bit++) address[bit >> 3] = (address[bit >> 3] ?? 0) & ~(0x80 >> (bit & 7))
  return { address, bits }
}

/** `10.0.0.0/8`, `fd00::/8`; a host prefix keeps its length (`/32`, `/128`). */
export function formatPrefix(prefix: Prefix): string {
  const offset = isMappedIPv4(prefix.address) && prefix.bits >= 96 ? 96 : 0
  return `${formatAddress(prefix.address)}/${prefix.bits - offset}`
}

/** Whether every address of `inner` is in `outer`. */
export function contains(outer: Prefix, inner: Prefix): boolean {
  if (inner.bits < outer.bits) return false
  return formatPrefix(truncate(inner.address, outer.bits)) === formatPrefix(outer)
}

/** The first `bits` of an address. */
export function truncate(address: Uint8Array, bits: number): Prefix {
  const masked = Uint8Array.from(address)
  for (let bit = bits; bit < 128; bit++) masked[bit >> 3] = (masked[bit >> 3] ?? 0) & ~(0x80 >> (bit & 7))
  return { address: masked, bits }
}
