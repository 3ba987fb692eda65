// Syntax of a host with an optional port (RFC 3986 §3.2.2 and §3.2.3), stricter than the grammar where
// peers differ: no percent-encoding, no comma, no empty host, no empty port, no IPvFuture, no zone.
import { COLON, HEX, REG_NAME } from './chars.ts'

const NO_PORT = -1
const BAD = -2
const MAX_PORT = 65535

/** Whether `b[start, end)` is a host with or without port. */
export function isHost(b: Buffer, start: number, end: number): boolean {
  return parsePort(b, start, end) !== BAD
}

/** Whether `b[start, end)` is a host with a port: the authority-form of CONNECT (RFC 9112 §3.2.3). */
export function isHostWithPort(b: Buffer, start: number, end: number): boolean {
  return parsePort(b, start, end) >= 0
}

function parsePort(b: Buffer, start: number, end: number): number {
  let i = start
  if (b[i] === 0x5b && start < end) {
    i = ipv6End(b, start + 1, end)
    if (i < 0) return BAD
  } else {
    while (i < end && REG_NAME[b[i]!] !== 0) i++
    if (i === start) return BAD
  }
  if (i === end) return NO_PORT
  if (b[i] !== COLON || end - i < 2 || end - i > 6) return BAD
  let port = 0
  for (i++; i < end; i++) {
    const digit = b[i]! - 0x30
    if (digit < 0 || digit > 9) return BAD
    port = port * 10 + digit
  }
  return port > MAX_PORT ? BAD : port
}

/** Position behind the `]` of an IPv6 literal that begins behind its `[`; -1 when it is none. */
function ipv6End(b: Buffer, start: number, end: number): number {
  let groups = 0
  let hasGap = false
  let i = start
  if (b[i] === COLON) {
    if (b[i + 1] !== COLON || i + 1 >= end) return -1
    hasGap = true
    i += 2
  }
  while (i < end && b[i] !== 0x5d) {
    const groupStart = i
    while (i < end && HEX[b[i]!] !== 0) i++
    if (i < end && b[i] === 0x2e) {
      // The last 32 bits may be written as IPv4.
      i = ipv4End(b, groupStart, end)
      if (i < 0) return -1
      groups += 2
      break
    }
    if (i === groupStart || i - groupStart > 4) return -1
    groups++
    if (i < end && b[i] === COLON) {
      i++
      if (i < end && b[i] === COLON) {
        if (hasGap) return -1
        hasGap = true
        i++
      } else if (i >= end || b[i] === 0x5d) return -1
    } else break
  }
  if (i >= end || b[i] !== 0x5d) return -1
  return (hasGap ? groups <= 7 : groups === 8) ? i + 1 : -1
}

/** Position behind a dotted quad; -1 when there is none. */
function ipv4End(b: Buffer, start: number, end: number): number {
  let i = start
  for (let part = 0; part < 4; part++) {
    if (part > 0) {
      if (i >= end || b[i] !== 0x2e) return -1
      i++
    }
    const first = i
    let value = 0
    while (i < end && i - first < 3 && b[i]! >= 0x30 && b[i]! <= 0x39) value = value * 10 + b[i++]! - 0x30
    if (i === first || value > 255 || (i - first > 1 && b[first] === 0x30)) return -1
  }
  return i
}
