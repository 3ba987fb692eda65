// One field of a header block, as the tables keep it: what its name means and what is wrong with it is worked
// out once, not for each message that refers to it.
import { FIELD_VALUE, TOKEN } from '../../http1/chars.ts'

// Kinds. Pseudo-header fields come first: `kind <= LAST_PSEUDO`.
export const METHOD = 0
export const SCHEME = 1
export const AUTHORITY = 2
export const PATH = 3
export const PROTOCOL = 4
export const STATUS = 5
export const UNKNOWN_PSEUDO = 6
export const LAST_PSEUDO = UNKNOWN_PSEUDO
export const HOST = 7
export const CONTENT_LENGTH = 8
export const CONTENT_TYPE = 9
export const TE = 10
export const COOKIE = 11
export const GRPC_STATUS = 12
/** Belongs to a connection of HTTP/1.1: malformed here (RFC 9113 §8.2.2). */
export const CONNECTION_SPECIFIC = 13
/** A framing field spelled with "_" for "-". */
export const AMBIGUOUS = 14
export const OTHER = 15

const KINDS: ReadonlyMap<string, number> = new Map([
  [':method', METHOD],
  [':scheme', SCHEME],
  [':authority', AUTHORITY],
  [':path', PATH],
  [':protocol', PROTOCOL],
  [':status', STATUS],
  ['host', HOST],
  ['content-length', CONTENT_LENGTH],
  ['content-type', CONTENT_TYPE],
  ['te', TE],
  ['cookie', COOKIE],
  ['grpc-status', GRPC_STATUS],
  ...['connection', 'keep-alive', 'proxy-connection', 'transfer-encoding', 'upgrade'].map(
    (name) => [name, CONNECTION_SPECIFIC] as const,
  ),
  ...['content_length', 'transfer_encoding'].map((name) => [name, AMBIGUOUS] as const),
])

export const FINE = 0
export const BAD_NAME = 1
export const BAD_VALUE = 2

/** Each entry of a table counts so much more than its strings (RFC 7541 §4.1). */
export const ENTRY_OVERHEAD_BYTES = 32

export class Field {
  /** One char per byte. */
  readonly name: string
  readonly value: string
  readonly bytes: number
  readonly kind: number
  readonly fault: typeof FINE | typeof BAD_NAME | typeof BAD_VALUE
  /** The sender forbids every intermediary to index it (RFC 7541 §6.2.3). */
  readonly isNeverIndexed: boolean

  /** @param kind of a field with the same name, if one is at hand. */
  constructor(name: string, value: string, isNeverIndexed = false, kind = kindOf(name)) {
    this.name = name
    this.value = value
    this.bytes = name.length + value.length + ENTRY_OVERHEAD_BYTES
    this.kind = kind
    this.isNeverIndexed = isNeverIndexed
    this.fault = kind >= AMBIGUOUS && !isLowerToken(name) ? BAD_NAME : isValue(value) ? FINE : BAD_VALUE
  }
}

function kindOf(name: string): number {
  const kind = KINDS.get(name)
  if (kind !== undefined) return kind
  return name.charCodeAt(0) === 0x3a ? UNKNOWN_PSEUDO : OTHER
}

/** RFC 9113 §8.2.1, stricter: only token bytes, as in HTTP/1.1. */
function isLowerToken(name: string): boolean {
  for (let i = 0; i < name.length; i++) {
    const byte = name.charCodeAt(i)
    if (TOKEN[byte] === 0 || (byte >= 0x41 && byte <= 0x5a)) return false
  }
  return name.length > 0
}

/** RFC 9113 §8.2.1, stricter: no control bytes, as in HTTP/1.1; no white space at either end. */
function isValue(value: string): boolean {
  const { length } = value
  for (let i = 0; i < length; i++) if (FIELD_VALUE[value.charCodeAt(i)] === 0) return false
  return length === 0 || (!isBlank(value.charCodeAt(0)) && !isBlank(value.charCodeAt(length - 1)))
}

function isBlank(byte: number): boolean {
  return byte === 0x20 || byte === 0x09
}
