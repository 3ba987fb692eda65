// Response heads (RFC 9112 §4), as far as framing needs them and as strictly as requests.
import { CR, FIELD_VALUE, LF, SP } from './chars.ts'
import { type HttpCode, responseCode } from './codes.ts'
import { CHUNKED, FAILED, FieldSection, MORE } from './fields.ts'
import { MAX_HEAD_BYTES } from './limits.ts'
import { RememberedHead } from './remembered-head.ts'

const START = 0
const STATUS = 1
const REASON = 2
const REASON_LF = 3
const FIELDS = 4

/** `HTTP/1.1 200` and the byte behind it. */
const STATUS_BYTES = 13
const VERSION_PREFIX = Buffer.from('HTTP/1.')

export class ResponseHead {
  status = 0
  /** -1: none. */
  contentLength = -1
  /** After FAILED. */
  code: HttpCode = 'HTTP_BAD_RESPONSE'

  private readonly fields = new FieldSection()
  private readonly remembered = new RememberedHead()
  private isVersion10 = false
  private phase = START
  private at = 0

  get isChunked(): boolean {
    return (this.fields.flags & CHUNKED) !== 0
  }

  /**
   * Look at the head that begins at `start`; after MORE, call again with the same bytes and more behind them.
   * @returns its length in bytes, MORE or FAILED.
   */
  parse(b: Buffer, start: number, end: number): number {
    if (this.phase === START) {
      const known = this.remembered.match(b, start, end)
      if (known > 0) return known
      this.remembered.forget()
      this.phase = STATUS
    }
    if (this.phase !== FIELDS) {
      const code = this.statusLine(b, start, end)
      if (code === MORE) return MORE
      if (code !== undefined) return this.fail(code)
    }
    const position = this.fields.scan(b, start, end)
    if (position === MORE) return MORE
    if (position === FAILED) return this.fail(responseCode(this.fields.code))
    const code = this.framingCode()
    if (code !== undefined) return this.fail(code)
    this.contentLength = this.fields.contentLength
    this.phase = START
    this.remembered.remember(b, start, position)
    return position - start
  }

  private fail(code: HttpCode): typeof FAILED {
    this.code = code
    this.phase = START
    return FAILED
  }

  /** @returns undefined when the line is done. */
  private statusLine(b: Buffer, start: number, end: number): HttpCode | typeof MORE | undefined {
    let i = start + this.at
    if (this.phase === STATUS) {
      // At once, not only when there is enough: a peer of another protocol may send less and wait.
      if (!startsLikeStatus(b, start, end)) return 'HTTP_BAD_RESPONSE'
      if (end - start < STATUS_BYTES) return MORE
      if (!this.statusBytes(b, start)) return 'HTTP_BAD_RESPONSE'
      i = start + STATUS_BYTES - 1
      // Without reason phrase the space is required but often missing; nothing depends on it.
      if (b[i] === SP) i++
      else if (b[i] !== CR) return 'HTTP_BAD_RESPONSE'
      this.phase = REASON
    }
    const limit = start + MAX_HEAD_BYTES
    const stop = end < limit ? end : limit
    if (this.phase === REASON) {
      while (i < stop && FIELD_VALUE[b[i]!] !== 0) i++
      this.at = i - start
      if (i === stop) return i === limit ? 'HTTP_RESPONSE_HEAD_TOO_LARGE' : MORE
      if (b[i] !== CR) return b[i] === LF ? 'HTTP_RESPONSE_BARE_LF' : 'HTTP_BAD_RESPONSE'
      i++
      this.phase = REASON_LF
    }
    this.at = i - start
    if (i === stop) return i === limit ? 'HTTP_RESPONSE_HEAD_TOO_LARGE' : MORE
    if (b[i] !== LF) return 'HTTP_RESPONSE_BARE_CR'
    this.fields.reset(i + 1 - start)
    this.phase = FIELDS
    return undefined
  }

  private statusBytes(b: Buffer, start: number): boolean {
    const minor = b[start + 7]! - 0x30
    const hundreds = b[start + 9]! - 0x30
    const tens = b[start + 10]! - 0x30
    const ones = b[start + 11]! - 0x30
    const isDigits = hundreds >= 1 && hundreds <= 9 && tens >= 0 && tens <= 9 && ones >= 0 && ones <= 9
    if ((minor !== 0 && minor !== 1) || b[start + 8] !== SP || !isDigits) return false
    this.isVersion10 = minor === 0
    this.status = hundreds * 100 + tens * 10 + ones
    return true
  }

  /** A message that cannot have a body must not announce one (RFC 9110 §8.6, RFC 9112 §6.1). */
  private framingCode(): HttpCode | undefined {
    const code = this.fields.framingCode(this.isVersion10)
    if (code !== undefined) return responseCode(code)
    const isBodyless = this.status < 200 || this.status === 204
    const announcesBody = this.isChunked || this.fields.contentLength > 0
    return isBodyless && announcesBody ? 'HTTP_RESPONSE_UNDUE_BODY' : undefined
  }
}

function startsLikeStatus(b: Buffer, start: number, end: number): boolean {
  const length = Math.min(VERSION_PREFIX.length, end - start)
  for (let i = 0; i < length; i++) if (b[start + i] !== VERSION_PREFIX[i]) return false
  return true
}
