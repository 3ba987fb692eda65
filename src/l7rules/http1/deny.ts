// Responses of our own. Each is built once per body or code and then shared by all connections.
import { HTTP_CODES, type HttpCode } from './codes.ts'

export const DENIED_STATUS = 403

/** RFC 9110 §15, for every status of ours. */
const PHRASES: Readonly<Record<number, string>> = {
  400: 'Bad Request',
  403: 'Forbidden',
  405: 'Method Not Allowed',
  408: 'Request Timeout',
  414: 'URI Too Long',
  431: 'Request Header Fields Too Large',
  501: 'Not Implemented',
  502: 'Bad Gateway',
  505: 'HTTP Version Not Supported',
}

/** What the Connection field of a denial says: nothing, `close`, or `keep-alive` for HTTP/1.0 clients. */
export const PERSIST = 0
export const PERSIST_VERSION_10 = 1
export const CLOSE = 2
export type Persistence = typeof PERSIST | typeof PERSIST_VERSION_10 | typeof CLOSE

const CONNECTION_FIELDS = ['', 'connection: keep-alive\r\n', 'connection: close\r\n'] as const

/** A 405 must say what is allowed (RFC 9110 §15.5.6); the proxy knows of nothing that is for every client (§10.2.1). */
const NO_METHODS = 'allow: \r\n'

const denials = new WeakMap<Uint8Array, Map<number, Buffer>>()
const refusals = new Map<string, Buffer>()

/** A 403 with `body`; without it, but with its length, in answer to HEAD (RFC 9110 §9.3.2). Do not modify. */
export function denial(body: Uint8Array, persistence: Persistence, isHead: boolean): Buffer {
  const key = persistence * 2 + Number(isHead)
  let variants = denials.get(body)
  if (variants === undefined) {
    variants = new Map()
    denials.set(body, variants)
  }
  let response = variants.get(key)
  if (response === undefined) {
    response = render(DENIED_STATUS, CONNECTION_FIELDS[persistence], body, isHead)
    variants.set(key, response)
  }
  return response
}

/** The answer to a message that cannot be parsed, or to a denied CONNECT: closes the connection. Do not modify. */
export function refusal(code: HttpCode, isHead: boolean): Buffer {
  const key = isHead ? `HEAD ${code}` : code
  let response = refusals.get(key)
  if (response === undefined) {
    const { status, text } = HTTP_CODES[code]
    const fields = CONNECTION_FIELDS[CLOSE] + (status === 405 ? NO_METHODS : '')
    response = render(status, fields, Buffer.from(`${code}: ${text}\n`), isHead)
    refusals.set(key, response)
  }
  return response
}

function render(status: number, fields: string, body: Uint8Array, isHead: boolean): Buffer {
  const head =
    `HTTP/1.1 ${status} ${PHRASES[status] ?? ''}\r\n` +
    `content-type: text/plain\r\ncontent-length: ${body.length}\r\n${fields}\r\n`
  return Buffer.concat(isHead ? [Buffer.from(head)] : [Buffer.from(head), body])
}
