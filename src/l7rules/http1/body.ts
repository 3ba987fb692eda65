// Framing of a chunked body with its trailers (RFC 9112 §7.1). Bodies with a length or until the end of
// the connection need no more than a counter, which the session keeps.
import {
  BACKSLASH,
  COLON,
  CR,
  EQUALS,
  FIELD_VALUE,
  HEX,
  LF,
  QUOTE,
  QUOTED_TEXT,
  SEMICOLON,
  TOKEN,
} from './chars.ts'
import { type HttpCode } from './codes.ts'
import { lineStartCode, nameEndCode } from './fields.ts'
import { MAX_CHUNK_EXTENSION_BYTES, MAX_CHUNK_SIZE_DIGITS, MAX_TRAILER_BYTES } from './limits.ts'

// chunk          = chunk-size [ chunk-ext ] CRLF chunk-data CRLF
// chunk-ext      = *( ";" chunk-ext-name [ "=" chunk-ext-val ] )     without the grammar's bad white space
// chunk-ext-val  = token / quoted-string
// last-chunk     = 1*("0") [ chunk-ext ] CRLF
// chunked-body   = *chunk last-chunk trailer-section CRLF
const SIZE = 0
const EXTENSION_START = 1
const EXTENSION_NAME = 2
const EXTENSION_VALUE_START = 3
const EXTENSION_VALUE = 4
const EXTENSION_QUOTED = 5
const EXTENSION_ESCAPED = 6
const EXTENSION_END = 7
const SIZE_LF = 8
const DATA = 9
const DATA_CR = 10
const DATA_LF = 11
const TRAILER_LINE = 12
const TRAILER_NAME = 13
const TRAILER_VALUE = 14
const TRAILER_LF = 15
const LAST_LF = 16
const DONE = 17

/** Fields that a recipient may merge into the head too late or wrongly (RFC 9110 §6.5.1). */
export const FORBIDDEN_TRAILERS: ReadonlySet<string> = new Set([
  'authorization',
  'connection',
  'content-encoding',
  'content-length',
  'content-range',
  'content-type',
  'cookie',
  'expect',
  'host',
  'http2-settings',
  'keep-alive',
  'proxy-authorization',
  'proxy-connection',
  'set-cookie',
  'te',
  'trailer',
  'transfer-encoding',
  'upgrade',
])
const MAX_FORBIDDEN_NAME_BYTES = Math.max(...[...FORBIDDEN_TRAILERS].map((name) => name.length))

/** Resumable: fed any split of a body it accepts, or stops at, the same byte. */
export class ChunkedBody {
  /** '' as long as nothing is wrong. */
  code: HttpCode | '' = ''

  private phase = SIZE
  private size = 0
  private digits = 0
  private extensionBytes = 0
  private trailerBytes = 0
  private name = ''

  get isDone(): boolean {
    return this.phase === DONE
  }

  reset(): void {
    this.code = ''
    this.phase = SIZE
    this.size = 0
    this.digits = 0
    this.extensionBytes = 0
    this.trailerBytes = 0
    this.name = ''
  }

  /**
   * @returns the position behind the last byte that belongs to the body; that of the offending byte, with
   * `code` set, when there is one.
   */
  advance(b: Buffer, start: number, end: number): number {
    let i = start
    while (i < end && this.phase !== DONE) {
      if (this.phase === DATA) {
        const taken = Math.min(this.size, end - i)
        this.size -= taken
        i += taken
        if (this.size === 0) this.phase = DATA_CR
        continue
      }
      const code = this.phase < TRAILER_LINE ? this.sizeLineByte(b[i]!) : this.trailerByte(b[i]!)
      if (code !== undefined) {
        this.code = code
        return i
      }
      i++
    }
    return i
  }

  /** One byte of a size line or of the CRLF behind chunk data. */
  private sizeLineByte(byte: number): HttpCode | undefined {
    switch (this.phase) {
      case SIZE:
        return this.sizeByte(byte)
      case SIZE_LF:
        if (byte !== LF) return 'HTTP_BARE_CR'
        this.phase = this.size === 0 ? TRAILER_LINE : DATA
        return undefined
      case DATA_CR:
        if (byte !== CR) return 'HTTP_BAD_CHUNK_END'
        this.phase = DATA_LF
        return undefined
      case DATA_LF:
        if (byte !== LF) return 'HTTP_BAD_CHUNK_END'
        this.phase = SIZE
        this.digits = 0
        return undefined
      default:
        return this.extensionByte(byte)
    }
  }

  private sizeByte(byte: number): HttpCode | undefined {
    const digit = HEX[byte]!
    if (digit !== 0) {
      if (++this.digits > MAX_CHUNK_SIZE_DIGITS) return 'HTTP_BAD_CHUNK_SIZE'
      this.size = this.size * 16 + digit - 1
      return undefined
    }
    if (this.digits === 0) return 'HTTP_BAD_CHUNK_SIZE'
    if (byte === CR) this.phase = SIZE_LF
    else if (byte === SEMICOLON) {
      this.phase = EXTENSION_START
      this.extensionBytes = 1
    } else {
      // White space too: RFC 9112 §7.1.1 calls it bad, and padded sizes are a known way to smuggle.
      return byte === LF ? 'HTTP_BARE_LF' : 'HTTP_BAD_CHUNK_SIZE'
    }
    return undefined
  }

  private extensionByte(byte: number): HttpCode | undefined {
    const phase = this.phase
    const mayEnd = phase === EXTENSION_NAME || phase === EXTENSION_VALUE || phase === EXTENSION_END
    if (byte === CR && mayEnd) {
      this.phase = SIZE_LF
      return undefined
    }
    if (++this.extensionBytes > MAX_CHUNK_EXTENSION_BYTES) return 'HTTP_CHUNK_EXTENSION_TOO_LONG'
    if (byte === SEMICOLON && mayEnd) this.phase = EXTENSION_START
    else {
      const next = extensionPhase(phase, byte)
      if (next === undefined) return byte === LF ? 'HTTP_BARE_LF' : 'HTTP_BAD_CHUNK_EXTENSION'
      this.phase = next
    }
    return undefined
  }

  /** One byte of the trailer section. Rare: no loops of its own. */
  private trailerByte(byte: number): HttpCode | undefined {
    if (++this.trailerBytes > MAX_TRAILER_BYTES) return 'HTTP_TRAILERS_TOO_LARGE'
    switch (this.phase) {
      case TRAILER_LINE:
        if (byte === CR) this.phase = LAST_LF
        else if (TOKEN[byte] === 0) return lineStartCode(byte)
        else {
          this.name = String.fromCharCode(byte)
          this.phase = TRAILER_NAME
        }
        return undefined
      case TRAILER_NAME:
        if (byte === COLON) {
          if (FORBIDDEN_TRAILERS.has(this.name.toLowerCase().replaceAll('_', '-')))
            return 'HTTP_FORBIDDEN_TRAILER'
          this.phase = TRAILER_VALUE
        } else if (TOKEN[byte] === 0) return nameEndCode(byte)
        // A byte more than the longest forbidden name is enough to know that it is another one.
        else if (this.name.length <= MAX_FORBIDDEN_NAME_BYTES) this.name += String.fromCharCode(byte)
        return undefined
      case TRAILER_VALUE:
        if (byte === CR) this.phase = TRAILER_LF
        else if (FIELD_VALUE[byte] === 0) return byte === LF ? 'HTTP_BARE_LF' : 'HTTP_BAD_FIELD_VALUE'
        return undefined
      case TRAILER_LF:
        if (byte !== LF) return 'HTTP_BARE_CR'
        this.phase = TRAILER_LINE
        return undefined
      default:
        if (byte !== LF) return 'HTTP_BARE_CR'
        this.phase = DONE
        return undefined
    }
  }
}

/** Where a byte leads that does not end the extension; undefined when it is not allowed. */
function extensionPhase(phase: number, byte: number): number | undefined {
  switch (phase) {
    case EXTENSION_START:
      return TOKEN[byte] === 0 ? undefined : EXTENSION_NAME
    case EXTENSION_NAME:
      if (byte === EQUALS) return EXTENSION_VALUE_START
      return TOKEN[byte] === 0 ? undefined : EXTENSION_NAME
    case EXTENSION_VALUE_START:
      if (byte === QUOTE) return EXTENSION_QUOTED
      return TOKEN[byte] === 0 ? undefined : EXTENSION_VALUE
    case EXTENSION_VALUE:
      return TOKEN[byte] === 0 ? undefined : EXTENSION_VALUE
    case EXTENSION_QUOTED:
      if (byte === QUOTE) return EXTENSION_END
      if (byte === BACKSLASH) return EXTENSION_ESCAPED
      return QUOTED_TEXT[byte] === 0 ? undefined : EXTENSION_QUOTED
    case EXTENSION_ESCAPED:
      return QUOTED_TEXT[byte] === 0 ? undefined : EXTENSION_QUOTED
    default:
      return undefined
  }
}
