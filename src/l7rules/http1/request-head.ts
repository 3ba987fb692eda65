// Request heads (RFC 9112 §3): strict, resumable, one pass over the bytes. Syntax and meaning only;
// what may pass is decided by the judge, to whom this very object is shown.
import { type EncodedSlash } from '../../lib/encoded-slash.ts'
import {
  CR,
  equalsIgnoringCase,
  latin1,
  LF,
  SLASH,
  SP,
  TARGET,
  TARGET_BAD,
  TARGET_DOT,
  TARGET_ODD,
  TARGET_PLAIN,
  TARGET_QUERY,
  TARGET_SLASH,
  TOKEN,
} from './chars.ts'
import { type HttpCode } from './codes.ts'
import {
  CHUNKED,
  CONNECTION_CLOSE,
  CONNECTION_KEEP_ALIVE,
  CONNECTION_UPGRADE,
  EXPECT_CONTINUE,
  FAILED,
  FieldSection,
  MORE,
  UPGRADE,
  UPGRADE_HTTP2,
} from './fields.ts'
import { fieldValues } from './field-values.ts'
import { isHost, isHostWithPort } from './host.ts'
import { MAX_METHOD_BYTES, MAX_REQUEST_LINE_BYTES } from './limits.ts'
import { methodName } from './method.ts'
import { normalisePath } from './path.ts'
import { RememberedHead } from './remembered-head.ts'
import { type HttpRequest } from './request.ts'

const LINE_DONE = 0

// Where the scan of the request line stopped; FIELDS: the line is done.
const START = 0
const METHOD = 1
const TARGET_START = 2
const PATH = 3
const QUERY = 4
const VERSION = 5
const FIELDS = 6

/** `HTTP/1.1` and CRLF. */
const VERSION_BYTES = 10
const ABSOLUTE_PREFIX = Buffer.from('http://')
const TLS_HANDSHAKE = 0x16

export class RequestHead implements HttpRequest {
  method = ''
  target = ''
  path = ''
  host = ''
  isVersion10 = false
  isConnect = false
  /** -1: none. */
  contentLength = -1
  /** The head to forward instead, when the path was not in normal form. */
  rewritten: Buffer | undefined
  /** After FAILED. */
  code: HttpCode = 'HTTP_BAD_METHOD'
  /** After FAILED: offset of the offending byte, or of the byte behind the head. */
  failedAt = 0

  private readonly fields = new FieldSection()
  private readonly remembered = new RememberedHead()
  private phase = START
  private at = 0
  private targetStart = 0
  private targetEnd = 0
  private isPlainPath = true
  private lineEnd = 0
  /** Bytes of the head under judgement, for `header`. */
  private bytes: Buffer | undefined
  private bytesStart = 0
  private readonly encodedSlash: EncodedSlash

  constructor(encodedSlash: EncodedSlash) {
    this.encodedSlash = encodedSlash
  }

  get isChunked(): boolean {
    return (this.fields.flags & CHUNKED) !== 0
  }

  /** Asks for another protocol in a way that a server may follow (RFC 9110 §7.8: never in HTTP/1.0). */
  get asksUpgrade(): boolean {
    const both = UPGRADE | CONNECTION_UPGRADE
    return !this.isVersion10 && (this.fields.flags & both) === both
  }

  /** RFC 9110 §10.1.1: ignored in HTTP/1.0. */
  get expectsContinue(): boolean {
    return !this.isVersion10 && (this.fields.flags & EXPECT_CONTINUE) !== 0
  }

  /** The client wants the connection closed after the answer (RFC 9112 §9.3). */
  get closes(): boolean {
    const flags = this.fields.flags
    return (flags & CONNECTION_CLOSE) !== 0 || (this.isVersion10 && (flags & CONNECTION_KEEP_ALIVE) === 0)
  }

  /** Valid while the head is shown to the judge: between `show` and `hide`. */
  header(name: string): readonly string[] {
    if (this.bytes === undefined) return []
    return fieldValues(this.bytes, this.bytesStart + this.lineEnd, name)
  }

  show(b: Buffer, start: number): void {
    this.bytes = b
    this.bytesStart = start
  }

  hide(): void {
    this.bytes = undefined
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
      this.at = 0
      this.phase = METHOD
    }
    if (this.phase !== FIELDS) {
      const line = this.requestLine(b, start, end)
      if (line === FAILED) return this.fail(b, start, this.code, this.at)
      if (line === MORE) return MORE
    }
    const position = this.fields.scan(b, start, end)
    if (position === MORE) return MORE
    if (position === FAILED) return this.fail(b, start, this.fields.code, this.fields.at)
    const code = this.complete(b, start, position)
    if (code !== undefined) return this.fail(b, start, code, position - start)
    this.phase = START
    this.remembered.remember(b, start, position)
    return position - start
  }

  /** The head under way will not be completed: make it one that failed. */
  giveUp(code: HttpCode): void {
    this.code = code
    this.failedAt = this.phase === FIELDS ? this.fields.at : this.at
    this.method = ''
    this.target = ''
    this.path = ''
    this.host = ''
    this.isVersion10 = false
    this.isConnect = false
    this.phase = START
  }

  /** What is known of a head that failed, for its record. */
  private fail(b: Buffer, start: number, code: HttpCode, failedAt: number): typeof FAILED {
    this.code = code
    this.failedAt = failedAt
    const isTargetKnown = this.phase >= VERSION
    this.method = this.phase >= TARGET_START ? methodName(b, start, start + this.targetStart - 1) : ''
    this.target = isTargetKnown ? latin1(b, start + this.targetStart, start + this.targetEnd) : ''
    this.path = this.target
    const { hostStart, hostEnd } = this.fields
    this.host = this.phase === FIELDS && hostStart >= 0 ? latin1(b, start + hostStart, start + hostEnd) : ''
    if (this.phase !== FIELDS) this.isVersion10 = false
    this.phase = START
    return FAILED
  }

  /** @returns LINE_DONE, MORE or FAILED with `code` and `at` set. */
  private requestLine(b: Buffer, start: number, end: number): number {
    const limit = start + MAX_REQUEST_LINE_BYTES
    const stop = end < limit ? end : limit
    let i = start + this.at
    while (i < stop) {
      switch (this.phase) {
        case METHOD: {
          const methodLimit = start + MAX_METHOD_BYTES
          while (i < stop && TOKEN[b[i]!] !== 0 && i <= methodLimit) i++
          if (i > methodLimit) return this.stopAt(i - start, 'HTTP_METHOD_TOO_LONG')
          if (i === stop) break
          if (b[i] !== SP || i === start) return this.stopAt(i - start, methodCode(b[i]!, i === start))
          i++
          this.targetStart = i - start
          this.isPlainPath = true
          this.phase = TARGET_START
          break
        }
        case TARGET_START:
          if (TARGET[b[i]!] === TARGET_BAD) return this.stopAt(i - start, targetCode(b[i]!))
          this.phase = PATH
          break
        case PATH:
          i = this.pathBytes(b, start, i, stop)
          break
        case QUERY:
          while (i < stop && TARGET[b[i]!] !== TARGET_BAD) i++
          if (i < stop) this.phase = VERSION
          break
        default: {
          // VERSION: the byte that ended the target, then ten more, looked at together.
          this.targetEnd = i - start
          if (b[i] !== SP) return this.stopAt(i - start, targetCode(b[i]!))
          if (stop - i <= VERSION_BYTES) {
            return this.stopAt(i - start, stop === limit ? 'HTTP_REQUEST_LINE_TOO_LONG' : undefined)
          }
          const code = this.version(b, start, i + 1)
          if (code !== undefined) return this.stopAt(i + 1 - start, code)
          this.lineEnd = i + 1 + VERSION_BYTES - start
          this.fields.reset(this.lineEnd)
          this.phase = FIELDS
          return LINE_DONE
        }
      }
    }
    return this.stopAt(i - start, i === limit ? 'HTTP_REQUEST_LINE_TOO_LONG' : undefined)
  }

  private stopAt(at: number, code: HttpCode | undefined): typeof MORE | typeof FAILED {
    this.at = at
    if (code === undefined) return MORE
    this.code = code
    return FAILED
  }

  /** Bytes of the target before its query; notes whether they may differ from their normal form. */
  private pathBytes(b: Buffer, start: number, from: number, stop: number): number {
    let i = from
    while (i < stop) {
      const kind = TARGET[b[i]!]
      if (kind !== TARGET_PLAIN) {
        if (kind === TARGET_SLASH || kind === TARGET_DOT) {
          if (i > start + this.targetStart && b[i - 1] === SLASH) this.isPlainPath = false
        } else if (kind === TARGET_ODD) this.isPlainPath = false
        else {
          this.phase = kind === TARGET_QUERY ? QUERY : VERSION
          return i
        }
      }
      i++
    }
    return i
  }

  private version(b: Buffer, start: number, i: number): HttpCode | undefined {
    const isHttp =
      b[i] === 0x48 && b[i + 1] === 0x54 && b[i + 2] === 0x54 && b[i + 3] === 0x50 && b[i + 4] === SLASH
    const major = b[i + 5]! - 0x30
    const minor = b[i + 7]! - 0x30
    if (!isHttp || major < 0 || major > 9 || b[i + 6] !== 0x2e || minor < 0 || minor > 9) {
      return 'HTTP_BAD_REQUEST_LINE'
    }
    if (major !== 1 || minor > 1) {
      const isPreface = major === 2 && methodName(b, start, start + this.targetStart - 1) === 'PRI'
      return isPreface ? 'HTTP_H2_PREFACE' : 'HTTP_UNSUPPORTED_VERSION'
    }
    if (b[i + 8] !== CR) return b[i + 8] === LF ? 'HTTP_BARE_LF' : 'HTTP_BAD_REQUEST_LINE'
    if (b[i + 9] !== LF) return 'HTTP_BARE_CR'
    this.isVersion10 = minor === 0
    return undefined
  }

  /** Everything that needs the whole head; fills in what the judge sees. */
  private complete(b: Buffer, start: number, end: number): HttpCode | undefined {
    const fields = this.fields
    const framing = fields.framingCode(this.isVersion10)
    if (framing !== undefined) return framing
    this.method = methodName(b, start, start + this.targetStart - 1)
    this.isConnect = this.method === 'CONNECT'
    this.contentLength = fields.contentLength
    this.rewritten = undefined
    this.target = latin1(b, start + this.targetStart, start + this.targetEnd)
    return this.readHost(b, start) ?? this.readTarget(b, start, end) ?? this.refuseHttp2()
  }

  private readHost(b: Buffer, start: number): HttpCode | undefined {
    const { hostStart, hostEnd } = this.fields
    this.host = ''
    // RFC 9112 §3.2: an HTTP/1.1 request without Host is answered with 400.
    if (hostStart < 0) return this.isVersion10 ? undefined : 'HTTP_MISSING_HOST'
    if (!isHost(b, start + hostStart, start + hostEnd)) return 'HTTP_BAD_HOST'
    this.host = latin1(b, start + hostStart, start + hostEnd)
    return undefined
  }

  /** The forms of RFC 9112 §3.2. */
  private readTarget(b: Buffer, start: number, end: number): HttpCode | undefined {
    const first = start + this.targetStart
    const last = start + this.targetEnd
    if (this.isConnect) return this.authorityForm(b, first, last)
    if (b[first] === SLASH) return this.normalised(b, start, end, 0)
    if (this.target === '*') {
      this.path = '*'
      return this.method === 'OPTIONS' ? undefined : 'HTTP_ASTERISK_WITHOUT_OPTIONS'
    }
    return this.absoluteForm(b, start, end)
  }

  private authorityForm(b: Buffer, first: number, last: number): HttpCode | undefined {
    if (!isHostWithPort(b, first, last)) return 'HTTP_BAD_CONNECT_TARGET'
    this.path = ''
    // A CONNECT request has no content (RFC 9110 §9.3.6); servers differ on what follows its head.
    if (this.isChunked || this.contentLength > 0) return 'HTTP_CONNECT_WITH_BODY'
    // Clients of CONNECT often leave out the port in Host, as the example of RFC 9110 §9.3.6 does.
    const name = this.target.slice(0, this.target.lastIndexOf(':'))
    if (this.host.toLowerCase() === name.toLowerCase()) this.host = this.target
    return this.agree(this.target)
  }

  private absoluteForm(b: Buffer, start: number, end: number): HttpCode | undefined {
    const first = start + this.targetStart
    const last = start + this.targetEnd
    const authority = first + ABSOLUTE_PREFIX.length
    // Other schemes, https included, do not belong on this connection (RFC 9110 §7.4).
    if (last <= authority || !equalsIgnoringCase(b, first, ABSOLUTE_PREFIX)) return 'HTTP_BAD_TARGET'
    let i = authority
    while (i < last && b[i] !== SLASH && TARGET[b[i]!] !== TARGET_QUERY) i++
    // User information is refused with it: "@" is in no host (RFC 9110 §4.2.4).
    if (!isHost(b, authority, i)) return 'HTTP_BAD_HOST'
    return this.agree(latin1(b, authority, i)) ?? this.normalised(b, start, end, i - first)
  }

  /** RFC 9112 §3.2.2: Host is the authority of the target; a server may believe either of them. */
  private agree(authority: string): HttpCode | undefined {
    const isSame = this.host === '' || this.host.toLowerCase() === authority.toLowerCase()
    this.host = authority
    return isSame ? undefined : 'HTTP_HOST_MISMATCH'
  }

  /** `path` is what `target` names from `pathStart` on; what is forwarded must name the same. */
  private normalised(b: Buffer, start: number, end: number, pathStart: number): HttpCode | undefined {
    const isAbsolute = pathStart > 0
    if (this.isPlainPath && !isAbsolute) {
      this.path = this.target
      return undefined
    }
    const given = this.target.slice(pathStart)
    // An absolute-form without path means "/" (RFC 9110 §4.2.3).
    const normal = normalisePath(given.startsWith('/') ? given : `/${given}`, this.encodedSlash)
    if (!normal.ok) return normal.code
    this.path = normal.path
    if (normal.path !== given) {
      this.rewritten = Buffer.concat([
        b.subarray(start, start + this.targetStart + pathStart),
        Buffer.from(normal.path, 'latin1'),
        b.subarray(start + this.targetEnd, end),
      ])
    }
    return undefined
  }

  /** RFC 9113 took the h2c upgrade out; tunnelled, its requests would escape judgement. */
  private refuseHttp2(): HttpCode | undefined {
    return (this.fields.flags & UPGRADE_HTTP2) !== 0 ? 'HTTP_H2C_UPGRADE' : undefined
  }
}

function methodCode(byte: number, isFirst: boolean): HttpCode {
  if (isFirst && byte === TLS_HANDSHAKE) return 'HTTP_TLS_CLIENT_HELLO'
  if (isFirst && (byte === CR || byte === LF)) return 'HTTP_LEADING_EMPTY_LINE'
  return 'HTTP_BAD_METHOD'
}

/** `byte` ended the target and is not the space that should. */
function targetCode(byte: number): HttpCode {
  return byte === CR || byte === LF ? 'HTTP_BAD_REQUEST_LINE' : 'HTTP_BAD_TARGET'
}
