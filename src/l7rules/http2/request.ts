// A request as its header block says it (RFC 9113 §8.3.1), held to the same rules as an HTTP/1.1 head: what is
// refused there is refused here, and the judge sees the same method, path, host and fields.
import { type EncodedSlash } from '../../lib/encoded-slash.ts'
import {
  SLASH,
  TARGET,
  TARGET_BAD,
  TARGET_DOT,
  TARGET_ODD,
  TARGET_QUERY,
  TARGET_SLASH,
  TOKEN,
} from '../http1/chars.ts'
import { FORBIDDEN_TRAILERS } from '../http1/body.ts'
import { type HttpCode } from '../http1/codes.ts'
import { isHost, isHostWithPort } from '../http1/host.ts'
import { MAX_CONTENT_LENGTH_DIGITS, MAX_METHOD_BYTES, MAX_REQUEST_LINE_BYTES } from '../http1/limits.ts'
import { normalisePath } from '../http1/path.ts'
import { type HttpRequest } from '../http1/request.ts'
import { type Http2Code } from './codes.ts'
import {
  AMBIGUOUS,
  AUTHORITY,
  BAD_NAME,
  BAD_VALUE,
  CONNECTION_SPECIFIC,
  CONTENT_LENGTH,
  CONTENT_TYPE,
  type Field,
  HOST,
  LAST_PSEUDO,
  METHOD,
  PATH,
  PROTOCOL,
  SCHEME,
  TE,
} from './hpack/field.ts'
import { MAX_AUTHORITY_BYTES } from './limits.ts'

/** `GET /path HTTP/1.1` and CRLF, without method and path. */
const REQUEST_LINE_REST_BYTES = 12

export class Http2Request implements HttpRequest {
  method = ''
  target = ''
  path = ''
  host = ''
  /** As received; the path on the wire is replaced when it is not `path`. */
  readonly fields: readonly Field[]
  /** '' when it may be judged. A code of HTTP/1.x is answered by a response, one of HTTP/2 by RST_STREAM. */
  code: HttpCode | Http2Code | '' = ''
  /** -1: none. */
  contentLength = -1
  isGrpc = false
  isHead = false
  /** CONNECT, extended or not: what follows is no content. */
  isTunnel = false
  /** Of an extended CONNECT (RFC 8441 §4). */
  protocol = ''

  /** CONNECT as in HTTP/1.1: has a host, but no path. */
  get isPlainConnect(): boolean {
    return this.isTunnel && this.protocol === ''
  }

  /** @param fields of a block that fits the limits; copied. */
  constructor(
    fields: readonly Field[],
    isTooLarge: boolean,
    allowsExtendedConnect: boolean,
    encodedSlash: EncodedSlash = 'keep',
  ) {
    this.fields = fields.slice()
    this.code = this.read(isTooLarge, allowsExtendedConnect, encodedSlash)
  }

  /** Whether another path than the one that came has to go on the wire. */
  get isPathRewritten(): boolean {
    return this.path !== this.target && this.target !== '' && !this.isPlainConnect
  }

  /**
   * Values as an HTTP/1.1 server would see them: Host is the authority if there is none, crumbs of Cookie are one value
   * (RFC 9113 §8.2.3), and an extended CONNECT is an upgrade (RFC 8441 §5).
   */
  header(name: string): readonly string[] {
    const values: string[] = []
    for (const field of this.fields) {
      if (field.name === name && field.kind > LAST_PSEUDO) values.push(field.value)
    }
    if (name === 'cookie' && values.length > 1) return [values.join('; ')]
    if (name === 'host' && values.length === 0 && this.host !== '') return [this.host]
    if (this.protocol !== '') {
      if (name === 'upgrade') return [this.protocol]
      if (name === 'connection') return ['upgrade']
    }
    return values
  }

  private read(
    isTooLarge: boolean,
    allowsExtendedConnect: boolean,
    encodedSlash: EncodedSlash,
  ): HttpCode | Http2Code | '' {
    // What was kept of a block that is too large is shown in the record.
    let authority: string | undefined
    let host: string | undefined
    let scheme: string | undefined
    let path: string | undefined
    let method: string | undefined
    let code: HttpCode | Http2Code | '' = ''
    let isBehind = false
    for (const field of this.fields) {
      const { kind, value, fault } = field
      if (fault !== 0) code ||= fault === BAD_NAME ? 'HTTP2_BAD_FIELD_NAME' : 'HTTP2_BAD_FIELD_VALUE'
      if (kind <= LAST_PSEUDO) {
        if (isBehind) code ||= 'HTTP2_BAD_PSEUDO_HEADER'
        let isRepeated = true
        if (kind === METHOD) {
          isRepeated = method !== undefined
          method = value
        } else if (kind === PATH) {
          isRepeated = path !== undefined
          path = value
        } else if (kind === AUTHORITY) {
          isRepeated = authority !== undefined
          authority = value
        } else if (kind === SCHEME) {
          isRepeated = scheme !== undefined
          scheme = value
        } else if (kind === PROTOCOL) {
          isRepeated = this.protocol !== '' || value === ''
          this.protocol = value
        }
        if (isRepeated) code ||= 'HTTP2_BAD_PSEUDO_HEADER'
        continue
      }
      isBehind = true
      if (kind === HOST) {
        if (host !== undefined) code ||= 'HTTP_REPEATED_HOST'
        host = value
      } else if (kind === CONTENT_LENGTH) code ||= this.readLength(value)
      else if (kind === CONTENT_TYPE) this.isGrpc = isGrpcType(value)
      else if (kind === CONNECTION_SPECIFIC || (kind === TE && value.toLowerCase() !== 'trailers')) {
        code ||= 'HTTP2_CONNECTION_FIELD'
      } else if (kind === AMBIGUOUS) code ||= 'HTTP_AMBIGUOUS_FIELD_NAME'
    }
    this.method = method ?? ''
    this.target = path ?? ''
    this.path = this.target
    this.host = authority ?? host ?? ''
    if (isTooLarge) return 'HTTP_HEAD_TOO_LARGE'
    return (
      code ||
      this.readMethod(method, scheme, path, allowsExtendedConnect) ||
      this.readHost(authority, host) ||
      this.readPath(encodedSlash)
    )
  }

  private readLength(value: string): HttpCode | '' {
    if (this.contentLength >= 0) return 'HTTP_REPEATED_CONTENT_LENGTH'
    if (value === '' || value.length > MAX_CONTENT_LENGTH_DIGITS) return 'HTTP_BAD_CONTENT_LENGTH'
    let length = 0
    for (let i = 0; i < value.length; i++) {
      const digit = value.charCodeAt(i) - 0x30
      if (digit < 0 || digit > 9) return 'HTTP_BAD_CONTENT_LENGTH'
      length = length * 10 + digit
    }
    this.contentLength = length
    return ''
  }

  private readMethod(
    method: string | undefined,
    scheme: string | undefined,
    path: string | undefined,
    allowsExtendedConnect: boolean,
  ): HttpCode | Http2Code | '' {
    if (method === undefined) return 'HTTP2_BAD_PSEUDO_HEADER'
    this.isHead = method === 'HEAD'
    this.isTunnel = method === 'CONNECT'
    // RFC 9113 §8.3.1 and §8.5; RFC 8441 §4.
    const hasRest = scheme !== undefined && path !== undefined && path !== ''
    if (this.isPlainConnect ? scheme !== undefined || path !== undefined : !hasRest)
      return 'HTTP2_BAD_PSEUDO_HEADER'
    if (this.protocol !== '' && !(this.isTunnel && allowsExtendedConnect)) return 'HTTP2_BAD_EXTENDED_CONNECT'
    if (scheme !== undefined && scheme !== 'http' && scheme !== 'https') return 'HTTP2_BAD_PSEUDO_HEADER'
    if (method === '') return 'HTTP_BAD_METHOD'
    for (let i = 0; i < method.length; i++) {
      if (TOKEN[method.charCodeAt(i)] === 0) return 'HTTP_BAD_METHOD'
    }
    if (method.length > MAX_METHOD_BYTES) return 'HTTP_METHOD_TOO_LONG'
    if (method.length + this.target.length + REQUEST_LINE_REST_BYTES > MAX_REQUEST_LINE_BYTES)
      return 'HTTP_REQUEST_LINE_TOO_LONG'
    return ''
  }

  private readHost(authority: string | undefined, host: string | undefined): HttpCode | '' {
    if (this.isPlainConnect) {
      if (authority === undefined || !isAuthority(authority, true)) return 'HTTP_BAD_CONNECT_TARGET'
      this.target = authority
      this.path = ''
      if (this.contentLength > 0) return 'HTTP_CONNECT_WITH_BODY'
    }
    if (authority === undefined && host === undefined) return 'HTTP_MISSING_HOST'
    if (authority !== undefined && !this.isPlainConnect && !isAuthority(authority, false))
      return 'HTTP_BAD_HOST'
    if (host === undefined) return ''
    if (!isAuthority(host, false)) return 'HTTP_BAD_HOST'
    // CONNECT may leave out the port in Host, as in HTTP/1.1.
    if (
      this.isPlainConnect &&
      host.toLowerCase() === authority?.slice(0, authority.lastIndexOf(':')).toLowerCase()
    )
      return ''
    // A server may believe either of them (RFC 9113 §8.3.1).
    const isSame = authority === undefined || authority.toLowerCase() === host.toLowerCase()
    return isSame ? '' : 'HTTP_HOST_MISMATCH'
  }

  private readPath(encodedSlash: EncodedSlash): HttpCode | '' {
    const { target } = this
    if (this.isTunnel) {
      if (this.protocol === '') return ''
      // What the same request is in HTTP/1.1 (RFC 8441 §5), for the judge and the record.
      this.method = 'GET'
    }
    if (target === '*') return this.method === 'OPTIONS' ? '' : 'HTTP_ASTERISK_WITHOUT_OPTIONS'
    if (target.charCodeAt(0) !== SLASH) return 'HTTP_BAD_TARGET'
    const isPlain = isPlainPath(target)
    if (isPlain === undefined) return 'HTTP_BAD_TARGET'
    if (isPlain) return ''
    const normal = normalisePath(target, encodedSlash)
    if (!normal.ok) return normal.code
    this.path = normal.path
    return ''
  }
}

/** undefined: a byte that no target may hold. False: it may differ from its normal form. */
function isPlainPath(target: string): boolean | undefined {
  let isPlain = true
  let isQuery = false
  let previous = 0
  for (let i = 0; i < target.length; i++) {
    const byte = target.charCodeAt(i)
    const kind = TARGET[byte]
    if (kind === TARGET_BAD) return undefined
    if (!isQuery) {
      if (kind === TARGET_QUERY) isQuery = true
      else if (kind === TARGET_ODD) isPlain = false
      else if ((kind === TARGET_SLASH || kind === TARGET_DOT) && previous === SLASH) isPlain = false
    }
    previous = byte
  }
  return isPlain
}

const scratch = Buffer.allocUnsafeSlow(MAX_AUTHORITY_BYTES)
/** The latest that was found to be good, with or without port: most requests of a node repeat it. */
let goodAuthority = ''

function isAuthority(text: string, needsPort: boolean): boolean {
  if (!needsPort && text === goodAuthority) return true
  if (text.length > MAX_AUTHORITY_BYTES) return false
  const length = scratch.write(text, 0, 'latin1')
  if (needsPort) return isHostWithPort(scratch, 0, length)
  if (!isHost(scratch, 0, length)) return false
  goodAuthority = text
  return true
}

/** `application/grpc`, also with a subtype or parameters; not gRPC-Web, which is another protocol. */
function isGrpcType(value: string): boolean {
  if (!value.startsWith('application/grpc')) return false
  const next = value.charAt(16)
  return next === '' || next === '+' || next === ';' || next === ' '
}

/** What is wrong with the trailers of a request, or ''. */
export function trailersCode(fields: readonly Field[], isTooLarge: boolean): HttpCode | Http2Code | '' {
  if (isTooLarge) return 'HTTP_TRAILERS_TOO_LARGE'
  for (const { kind, fault, name } of fields) {
    if (kind <= LAST_PSEUDO) return 'HTTP2_BAD_TRAILERS'
    if (fault === BAD_NAME) return 'HTTP2_BAD_FIELD_NAME'
    if (fault === BAD_VALUE) return 'HTTP2_BAD_FIELD_VALUE'
    if (FORBIDDEN_TRAILERS.has(name.replaceAll('_', '-'))) return 'HTTP_FORBIDDEN_TRAILER'
  }
  return ''
}
