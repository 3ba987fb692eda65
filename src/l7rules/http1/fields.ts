// The field lines of a head (RFC 9112 §5), the same for requests and responses: syntax of every line,
// and the meaning of the few that decide framing and routing. Positions, no strings.
import { COLON, CR, equalsIgnoringCase, FIELD_VALUE, HTAB, LF, SP, TOKEN } from './chars.ts'
import { type HttpCode } from './codes.ts'
import { MAX_CONTENT_LENGTH_DIGITS, MAX_FIELDS, MAX_HEAD_BYTES } from './limits.ts'

/** `scan` and the parsers built on it: not a position, but why there is none. */
export const MORE = -1
export const FAILED = -2

export const CONNECTION_CLOSE = 1
export const CONNECTION_KEEP_ALIVE = 2
export const CONNECTION_UPGRADE = 4
/** An Upgrade field that names a protocol. */
export const UPGRADE = 8
/** An Upgrade to HTTP/2 or a field that prepares it. */
export const UPGRADE_HTTP2 = 16
export const EXPECT_CONTINUE = 32
/** Transfer-Encoding: chunked. */
export const CHUNKED = 64

// Where the scan stopped.
const LINE = 0
const NAME = 1
const VALUE_START = 2
const VALUE = 3
const VALUE_LF = 4
const LAST_LF = 5

const ascii = (text: string): Uint8Array => Uint8Array.from(text, (char) => char.charCodeAt(0))
const HOST = ascii('host')
const EXPECT = ascii('expect')
const UPGRADE_NAME = ascii('upgrade')
const CONNECTION = ascii('connection')
const CONTENT_LENGTH = ascii('content-length')
const HTTP2_SETTINGS = ascii('http2-settings')
const TRANSFER_ENCODING = ascii('transfer-encoding')
const CHUNKED_VALUE = ascii('chunked')
const CONTINUE_VALUE = ascii('100-continue')
const CLOSE = ascii('close')
const KEEP_ALIVE = ascii('keep-alive')
const HTTP2_PROTOCOLS = ['h2c', 'h2', 'http'].map(ascii)
/**
 * Options that would have an intermediary remove what it and we rely on (RFC 9110 §7.6.1 forbids naming
 * fields that are for all recipients).
 */
const FORBIDDEN_OPTIONS = [CONTENT_LENGTH, TRANSFER_ENCODING, HOST]

/** 1 for lengths of names that matter: other lines are checked and forgotten. */
const KNOWN_LENGTHS = new Uint8Array(TRANSFER_ENCODING.length + 1)
for (const name of [HOST, EXPECT, UPGRADE_NAME, CONNECTION, CONTENT_LENGTH, TRANSFER_ENCODING]) {
  KNOWN_LENGTHS[name.length] = 1
}

export class FieldSection {
  flags = 0
  /** -1: no such field. */
  contentLength = -1
  /** Of the value of Host, relative to the head. -1: no such field. */
  hostStart = -1
  hostEnd = -1
  hasTransferEncoding = false
  /** After FAILED. */
  code: HttpCode = 'HTTP_BAD_FIELD_NAME'
  /** Bytes of the head looked at so far: where to go on; after FAILED, where the offence is. */
  at = 0

  private phase = LINE
  private count = 0
  private nameStart = 0
  private nameEnd = 0
  private valueStart = 0

  /** Begin with the fields of a head whose first field line is `at` bytes into it. */
  reset(at: number): void {
    this.flags = 0
    this.contentLength = -1
    this.hostStart = -1
    this.hostEnd = -1
    this.hasTransferEncoding = false
    this.at = at
    this.phase = LINE
    this.count = 0
  }

  /**
   * Go on at `this.at` of the head that begins at `base`.
   * @returns the position behind the empty line, MORE or FAILED.
   */
  scan(b: Buffer, base: number, end: number): number {
    const limit = base + MAX_HEAD_BYTES
    const stop = end < limit ? end : limit
    let i = base + this.at
    let phase = this.phase
    let nameStart = base + this.nameStart
    let nameEnd = base + this.nameEnd
    let valueStart = base + this.valueStart
    while (i < stop) {
      switch (phase) {
        case LINE: {
          const byte = b[i]!
          if (byte === CR) {
            phase = LAST_LF
            i++
            break
          }
          if (TOKEN[byte] === 0) return this.fail(lineStartCode(byte), i - base)
          if (this.count === MAX_FIELDS) return this.fail('HTTP_TOO_MANY_FIELDS', i - base)
          this.count++
          nameStart = i
          phase = NAME
          break
        }
        case NAME:
          while (i < stop && TOKEN[b[i]!] !== 0) i++
          if (i === stop) break
          if (b[i] !== COLON) return this.fail(nameEndCode(b[i]!), i - base)
          nameEnd = i
          i++
          phase = VALUE_START
          break
        case VALUE_START:
          while (i < stop && (b[i] === SP || b[i] === HTAB)) i++
          if (i === stop) break
          valueStart = i
          phase = VALUE
          break
        case VALUE:
          while (i < stop && FIELD_VALUE[b[i]!] !== 0) i++
          if (i === stop) break
          if (b[i] !== CR) return this.fail(b[i] === LF ? 'HTTP_BARE_LF' : 'HTTP_BAD_FIELD_VALUE', i - base)
          i++
          phase = VALUE_LF
          break
        case VALUE_LF:
          if (b[i] !== LF) return this.fail('HTTP_BARE_CR', i - base)
          if (nameEnd - nameStart < KNOWN_LENGTHS.length && KNOWN_LENGTHS[nameEnd - nameStart] === 1) {
            const code = this.understand(b, base, nameStart, nameEnd, valueStart, i - 1)
            if (code !== undefined) return this.fail(code, i - base)
          }
          i++
          phase = LINE
          break
        case LAST_LF:
          if (b[i] !== LF) return this.fail('HTTP_BARE_CR', i - base)
          return i + 1
      }
    }
    this.at = i - base
    if (i === limit) return this.fail('HTTP_HEAD_TOO_LARGE', this.at)
    this.phase = phase
    this.nameStart = nameStart - base
    this.nameEnd = nameEnd - base
    this.valueStart = valueStart - base
    return MORE
  }

  /** What message framing needs of the fields together (RFC 9112 §6.3), once the head is complete. */
  framingCode(isVersion10: boolean): HttpCode | undefined {
    if (!this.hasTransferEncoding) return undefined
    if (this.contentLength >= 0) return 'HTTP_CONTENT_LENGTH_WITH_TRANSFER_ENCODING'
    // RFC 9112 §6.1: framing of such a message is faulty, however it is spelled.
    if (isVersion10) return 'HTTP_TRANSFER_ENCODING_IN_1_0'
    return undefined
  }

  private fail(code: HttpCode, at: number): typeof FAILED {
    this.code = code
    this.at = at
    return FAILED
  }

  private understand(
    b: Buffer,
    base: number,
    nameStart: number,
    nameEnd: number,
    valueStart: number,
    lineEnd: number,
  ): HttpCode | undefined {
    let valueEnd = lineEnd
    while (valueEnd > valueStart && (b[valueEnd - 1] === SP || b[valueEnd - 1] === HTAB)) valueEnd--
    switch (nameEnd - nameStart) {
      case 4:
        if (!equalsIgnoringCase(b, nameStart, HOST)) return undefined
        if (this.hostStart >= 0) return 'HTTP_REPEATED_HOST'
        this.hostStart = valueStart - base
        this.hostEnd = valueEnd - base
        return undefined
      case 6:
        if (
          equalsIgnoringCase(b, nameStart, EXPECT) &&
          valueEnd - valueStart === CONTINUE_VALUE.length &&
          equalsIgnoringCase(b, valueStart, CONTINUE_VALUE)
        ) {
          this.flags |= EXPECT_CONTINUE
        }
        return undefined
      case 7:
        if (equalsIgnoringCase(b, nameStart, UPGRADE_NAME)) this.upgrade(b, valueStart, valueEnd)
        return undefined
      case 10:
        if (!equalsIgnoringCase(b, nameStart, CONNECTION)) return undefined
        return this.connection(b, valueStart, valueEnd)
      case 14:
        if (equalsIgnoringCase(b, nameStart, HTTP2_SETTINGS)) {
          this.flags |= UPGRADE_HTTP2
          return undefined
        }
        if (equalsIgnoringCase(b, nameStart, CONTENT_LENGTH)) {
          if (hasTab(b, nameEnd, lineEnd)) return 'HTTP_BAD_CONTENT_LENGTH'
          return this.length(b, valueStart, valueEnd)
        }
        return isUnderscored(b, nameStart, CONTENT_LENGTH) ? 'HTTP_AMBIGUOUS_FIELD_NAME' : undefined
      case 17:
        if (equalsIgnoringCase(b, nameStart, TRANSFER_ENCODING)) {
          if (hasTab(b, nameEnd, lineEnd)) return 'HTTP_UNSUPPORTED_TRANSFER_ENCODING'
          return this.transferEncoding(b, valueStart, valueEnd)
        }
        return isUnderscored(b, nameStart, TRANSFER_ENCODING) ? 'HTTP_AMBIGUOUS_FIELD_NAME' : undefined
      default:
        return undefined
    }
  }

  private length(b: Buffer, start: number, end: number): HttpCode | undefined {
    // Even an equal repetition (RFC 9110 §8.6 allows to accept it): no sender needs it.
    if (this.contentLength >= 0) return 'HTTP_REPEATED_CONTENT_LENGTH'
    if (start === end || end - start > MAX_CONTENT_LENGTH_DIGITS) return 'HTTP_BAD_CONTENT_LENGTH'
    let value = 0
    for (let i = start; i < end; i++) {
      const digit = b[i]! - 0x30
      if (digit < 0 || digit > 9) return 'HTTP_BAD_CONTENT_LENGTH'
      value = value * 10 + digit
    }
    this.contentLength = value
    return undefined
  }

  private transferEncoding(b: Buffer, start: number, end: number): HttpCode | undefined {
    const isOneChunked =
      !this.hasTransferEncoding &&
      end - start === CHUNKED_VALUE.length &&
      equalsIgnoringCase(b, start, CHUNKED_VALUE)
    if (!isOneChunked) return 'HTTP_UNSUPPORTED_TRANSFER_ENCODING'
    this.hasTransferEncoding = true
    this.flags |= CHUNKED
    return undefined
  }

  /** Connection options, RFC 9110 §7.6.1. */
  private connection(b: Buffer, start: number, end: number): HttpCode | undefined {
    for (let i = start; i < end; i = itemEnd(b, i, end) + 1) {
      const first = skipSpace(b, i, end)
      const last = trimSpace(b, first, itemEnd(b, i, end))
      if (isItem(b, first, last, CLOSE)) this.flags |= CONNECTION_CLOSE
      else if (isItem(b, first, last, KEEP_ALIVE)) this.flags |= CONNECTION_KEEP_ALIVE
      else if (isItem(b, first, last, UPGRADE_NAME)) this.flags |= CONNECTION_UPGRADE
      else if (FORBIDDEN_OPTIONS.some((option) => isItem(b, first, last, option))) {
        return 'HTTP_BAD_CONNECTION_OPTION'
      }
    }
    return undefined
  }

  /** Protocols, RFC 9110 §7.8: name ["/" version]. */
  private upgrade(b: Buffer, start: number, end: number): void {
    for (let i = start; i < end; i = itemEnd(b, i, end) + 1) {
      const first = skipSpace(b, i, end)
      const last = trimSpace(b, first, itemEnd(b, i, end))
      if (first === last) continue
      this.flags |= UPGRADE
      const slash = b.subarray(first, last).indexOf('/')
      const nameEnd = slash < 0 ? last : first + slash
      if (HTTP2_PROTOCOLS.some((name) => isItem(b, first, nameEnd, name))) this.flags |= UPGRADE_HTTP2
    }
  }
}

export function lineStartCode(byte: number): HttpCode {
  if (byte === LF) return 'HTTP_BARE_LF'
  return byte === SP || byte === HTAB ? 'HTTP_OBS_FOLD' : 'HTTP_BAD_FIELD_NAME'
}

export function nameEndCode(byte: number): HttpCode {
  if (byte === LF) return 'HTTP_BARE_LF'
  return byte === SP || byte === HTAB ? 'HTTP_SPACE_BEFORE_COLON' : 'HTTP_BAD_FIELD_NAME'
}

/** Whether the bytes are `name` with at least one `_` in place of `-`. */
function isUnderscored(b: Buffer, start: number, name: Uint8Array): boolean {
  for (let i = 0; i < name.length; i++) {
    const byte = b[start + i]!
    const asDash = byte === 0x5f ? 0x2d : byte >= 0x41 && byte <= 0x5a ? byte | 0x20 : byte
    if (asDash !== name[i]) return false
  }
  return true
}

/** White space that RFC 9110 §5.5 allows, but not all parsers take off: too risky where it frames a message. */
function hasTab(b: Buffer, start: number, end: number): boolean {
  for (let i = start; i < end; i++) if (b[i] === HTAB) return true
  return false
}

function itemEnd(b: Buffer, start: number, end: number): number {
  let i = start
  while (i < end && b[i] !== 0x2c) i++
  return i
}

function skipSpace(b: Buffer, start: number, end: number): number {
  let i = start
  while (i < end && (b[i] === SP || b[i] === HTAB)) i++
  return i
}

function trimSpace(b: Buffer, start: number, end: number): number {
  let i = end
  while (i > start && (b[i - 1] === SP || b[i - 1] === HTAB)) i--
  return i
}

function isItem(b: Buffer, start: number, end: number, item: Uint8Array): boolean {
  return end - start === item.length && equalsIgnoringCase(b, start, item)
}
