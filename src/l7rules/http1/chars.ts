// Classes of bytes as tables: one load per byte instead of comparisons. 0 = not in the class.

export const HTAB = 0x09
export const LF = 0x0a
export const CR = 0x0d
export const SP = 0x20
export const QUOTE = 0x22
export const SLASH = 0x2f
export const COLON = 0x3a
export const SEMICOLON = 0x3b
export const EQUALS = 0x3d
export const BACKSLASH = 0x5c

function table(ranges: readonly (readonly [first: number, last: number])[], chars = ''): Uint8Array {
  const bytes = new Uint8Array(256)
  for (const [first, last] of ranges) bytes.fill(1, first, last + 1)
  for (const char of chars) bytes[char.charCodeAt(0)] = 1
  return bytes
}

const DIGITS = [0x30, 0x39] as const
const UPPER = [0x41, 0x5a] as const
const LOWER = [0x61, 0x7a] as const

/** tchar, RFC 9110 §5.6.2: methods and field names. */
export const TOKEN = table([DIGITS, UPPER, LOWER], "!#$%&'*+-.^_`|~")

/** Field values, RFC 9110 §5.5: field-vchar (with obs-text), SP, HTAB. No other control bytes, no DEL. */
export const FIELD_VALUE = table(
  [
    [0x20, 0x7e],
    [0x80, 0xff],
  ],
  '\t',
)

/** Within quoted strings of chunk extensions (RFC 9110 §5.6.4), but no obs-text, which nobody sends there. */
export const QUOTED_TEXT = table([[0x20, 0x7e]], '\t')

/** unreserved, RFC 3986 §2.3. */
export const UNRESERVED = table([DIGITS, UPPER, LOWER], '-._~')

/** pchar without pct-encoded, RFC 3986 §3.3. */
export const PATH_CHAR = table([DIGITS, UPPER, LOWER], "-._~!$&'()*+,;=:@")

/**
 * reg-name, RFC 3986 §3.2.2, without two of its bytes: `%` (no host name needs it, and peers differ on
 * decoding it) and `,` (what a repeated Host field looks like once somebody joined it).
 */
export const REG_NAME = table([DIGITS, UPPER, LOWER], "-._~!$&'()*+;=")

/** Value of a hexadecimal digit + 1; 0 when the byte is none. */
export const HEX = new Uint8Array(256)
for (let value = 0; value < 16; value++) {
  const digit = value.toString(16)
  HEX[digit.charCodeAt(0)] = value + 1
  HEX[digit.toUpperCase().charCodeAt(0)] = value + 1
}

/** Classes of request target bytes: what the scan must notice on its way. */
export const TARGET_BAD = 0
export const TARGET_PLAIN = 1
/** Fine where it stands, unless the byte before it is a slash. */
export const TARGET_SLASH = 2
export const TARGET_DOT = 3
/** A path with it is not known to be normal: `%`, `\`, and visible bytes that RFC 3986 keeps out of paths. */
export const TARGET_ODD = 4
export const TARGET_QUERY = 5
export const TARGET = new Uint8Array(256)
for (let byte = 0x21; byte <= 0x7e; byte++) TARGET[byte] = PATH_CHAR[byte] === 1 ? TARGET_PLAIN : TARGET_ODD
TARGET[SLASH] = TARGET_SLASH
TARGET[0x2e] = TARGET_DOT
TARGET[0x3f] = TARGET_QUERY
// A fragment never goes on the wire (RFC 9112 §3.2.1); peers differ on what follows it.
TARGET[0x23] = TARGET_BAD

/** `Buffer.prototype.latin1Slice`: what `toString('latin1')` does, without its checks. */
type Latin1Buffer = Buffer & { latin1Slice(start: number, end: number): string }

export function latin1(buffer: Buffer, start: number, end: number): string {
  return (buffer as Latin1Buffer).latin1Slice(start, end)
}

/** Whether bytes are `lower` (lower-case ASCII letters, digits, `-`) in any case. The caller checked the length. */
export function equalsIgnoringCase(buffer: Buffer, start: number, lower: Uint8Array): boolean {
  for (let i = 0; i < lower.length; i++) {
    const byte = buffer[start + i]!
    if (byte !== lower[i] && (byte < 0x41 || byte > 0x5a || (byte | 0x20) !== lower[i])) return false
  }
  return true
}
