// Responses of our own, as frames. Header blocks refer to the static table only: nobody's dynamic table moves.
import { HTTP_CODES, type HttpCode } from '../http1/codes.ts'
import { DENIED_STATUS } from '../http1/deny.ts'
import { dataFrames, headerFrames } from './frames.ts'
import { BlockWriter } from './hpack/encoder.ts'
import { MAX_GRPC_MESSAGE_BYTES } from './limits.ts'

/** PERMISSION_DENIED. */
export const GRPC_DENIED = 7

const NO_BODY = new Uint8Array(0)

export interface Answer {
  /** What the header says it is, which is none when there is no room for it. */
  readonly body: Uint8Array
  readonly block: Buffer
}

const writer = new BlockWriter()
const denials = new WeakMap<Uint8Array, { full: Answer; bare: Answer; grpc: Answer }>()
const refusals = new Map<HttpCode, { full: Answer; bare: Answer }>()

/** Rendered once per body, which must not change. */
export function denialsOf(body: Uint8Array): { full: Answer; bare: Answer; grpc: Answer } {
  let known = denials.get(body)
  if (known === undefined) {
    known = { ...render(DENIED_STATUS, body), grpc: { body: NO_BODY, block: grpcBlock(body) } }
    denials.set(body, known)
  }
  return known
}

/** As HTTP/1.x answers the same fault. */
export function refusalOf(code: HttpCode): { full: Answer; bare: Answer } {
  let known = refusals.get(code)
  if (known === undefined) {
    const { status, text } = HTTP_CODES[code]
    known = render(status, Buffer.from(`${code}: ${text}\n`))
    refusals.set(code, known)
  }
  return known
}

/** @param isHead the answer has the length of the body, but no body (RFC 9110 §9.3.2). */
export function answerFrames(id: number, { block, body }: Answer, isHead: boolean): Buffer {
  const isBodyless = isHead || body.length === 0
  const head = headerFrames(id, block, isBodyless)
  return isBodyless ? head : Buffer.concat([head, dataFrames(id, body)])
}

function render(status: number, body: Uint8Array): { full: Answer; bare: Answer } {
  return {
    full: { body, block: httpBlock(status, body.length) },
    bare: { body: NO_BODY, block: httpBlock(status, 0) },
  }
}

function httpBlock(status: number, length: number): Buffer {
  writer.reset()
  writer.field(':status', String(status))
  writer.field('content-type', 'text/plain')
  writer.field('content-length', String(length))
  // Which methods are allowed (RFC 9110 §15.5.6): none that holds for every client.
  if (status === 405) writer.field('allow', '')
  return writer.block()
}

/** "Trailers-Only" of gRPC's HTTP/2 protocol. */
function grpcBlock(body: Uint8Array): Buffer {
  writer.reset()
  writer.field(':status', '200')
  writer.field('content-type', 'application/grpc')
  writer.field('grpc-status', String(GRPC_DENIED))
  writer.field('grpc-message', grpcMessage(body))
  return writer.block()
}

/** Percent-encoded as gRPC asks for it: UTF-8, everything but visible ASCII and space, and `%` itself. */
function grpcMessage(body: Uint8Array): string {
  const text = Buffer.from(body.subarray(0, MAX_GRPC_MESSAGE_BYTES)).toString().trim()
  return [...Buffer.from(text)]
    .map((byte) =>
      byte >= 0x20 && byte <= 0x7e && byte !== 0x25
        ? String.fromCharCode(byte)
        : `%${byte.toString(16).toUpperCase().padStart(2, '0')}`,
    )
    .join('')
}
