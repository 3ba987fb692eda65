// Names of methods without making a string for each request.
import { latin1 } from './chars.ts'

const COMMON = ['GET', 'PUT', 'HEAD', 'POST', 'PATCH', 'TRACE', 'DELETE', 'OPTIONS', 'CONNECT']
/** By length and first byte, which tell the common ones apart. */
const BY_SHAPE = new Map(COMMON.map((name) => [shape(name.length, name.charCodeAt(0)), name]))

/** The method at `b[start, end)`, as it is spelled: methods are case-sensitive (RFC 9110 §9.1). */
export function methodName(b: Buffer, start: number, end: number): string {
  const length = end - start
  if (length === 3 && b[start] === 0x47 && b[start + 1] === 0x45 && b[start + 2] === 0x54) return 'GET'
  const name = BY_SHAPE.get(shape(length, b[start]!))
  if (name === undefined) return latin1(b, start, end)
  for (let i = 1; i < length; i++) if (b[start + i] !== name.charCodeAt(i)) return latin1(b, start, end)
  return name
}

function shape(length: number, firstByte: number): number {
  return length * 256 + firstByte
}
