// HTTP/2 on the wire, for tests: frames by hand, also wrong ones.
import {
  ACK,
  DATA,
  END_HEADERS,
  END_STREAM,
  GOAWAY,
  HEADERS,
  PING,
  PREFACE,
  putFrameHeader,
  RST_STREAM,
  SETTINGS,
  u24,
  u31,
  WINDOW_UPDATE,
} from '../../../src/l7rules/http2/frames.ts'
import { BlockWriter } from '../../../src/l7rules/http2/hpack/encoder.ts'

export type Fields = readonly (readonly [name: string, value: string])[]

export function frame(
  type: number,
  flags: number,
  id: number,
  payload: Uint8Array = Buffer.alloc(0),
): Buffer {
  const header = Buffer.alloc(9)
  putFrameHeader(header, 0, payload.length, type, flags, id)
  return Buffer.concat([header, payload])
}

export function u32Bytes(...values: readonly number[]): Buffer {
  const bytes = Buffer.alloc(4 * values.length)
  values.forEach((value, i) => bytes.writeUInt32BE(value >>> 0, 4 * i))
  return bytes
}

export function settings(...pairs: readonly (readonly [name: number, value: number])[]): Buffer {
  const payload = Buffer.alloc(6 * pairs.length)
  pairs.forEach(([name, value], i) => {
    payload.writeUInt16BE(name, 6 * i)
    payload.writeUInt32BE(value, 6 * i + 2)
  })
  return frame(SETTINGS, 0, 0, payload)
}

export const SETTINGS_ACK = frame(SETTINGS, ACK, 0)
export const PUSH_OFF = [2, 0] as const
/** What a client begins with; passes as it is. */
export const CLIENT_PREFACE = Buffer.concat([PREFACE, settings(PUSH_OFF)])
export const SERVER_PREFACE = settings()

/** No field is indexed. */
export function block(fields: Fields): Buffer {
  const writer = new BlockWriter()
  for (const [name, value] of fields) writer.field(name, value)
  return writer.block()
}

/** A literal that is put into the dynamic table. */
export function inserted(name: string, value: string): Buffer {
  const writer = new BlockWriter()
  writer.field(name, value)
  const bytes = writer.block()
  if (bytes[0]! >= 0x0f) throw new Error(`${name} has an index that does not fit here`)
  bytes[0] = bytes[0]! | 0x40
  return bytes
}

export const dynamic = (index: number): Buffer => Buffer.from([0x80 | (62 + index)])

export function headers(id: number, bytes: Uint8Array, flags = END_STREAM): Buffer {
  return frame(HEADERS, END_HEADERS | flags, id, bytes)
}

export function requestFields(path: string, extra: Fields = [], method = 'GET'): Fields {
  return [[':method', method], [':scheme', 'http'], [':authority', 'a.example'], [':path', path], ...extra]
}

export const get = (id: number, path: string, extra: Fields = []): Buffer =>
  headers(id, block(requestFields(path, extra)))
export const post = (id: number, path: string, extra: Fields = []): Buffer =>
  headers(id, block(requestFields(path, extra, 'POST')), 0)
export const respond = (id: number, status = 200, extra: Fields = [], flags = END_STREAM): Buffer =>
  headers(id, block([[':status', String(status)], ...extra]), flags)
export const data = (id: number, payload: Uint8Array | string, flags = 0): Buffer =>
  frame(DATA, flags, id, Buffer.from(payload))
export const rst = (id: number, error = 8): Buffer => frame(RST_STREAM, 0, id, u32Bytes(error))
export const windowUpdate = (id: number, increment: number): Buffer =>
  frame(WINDOW_UPDATE, 0, id, u32Bytes(increment))
export const ping = (flags = 0): Buffer => frame(PING, flags, 0, Buffer.alloc(8, 7))
export const goaway = (lastId: number, error: number, debug = ''): Buffer =>
  frame(GOAWAY, 0, 0, Buffer.concat([u32Bytes(lastId, error), Buffer.from(debug)]))

export interface Frame {
  readonly type: number
  readonly flags: number
  readonly id: number
  readonly payload: Buffer
}

/** All of `bytes`, which may begin with a preface. Throws when they are no frames. */
export function framesOf(bytes: Buffer): Frame[] {
  const frames: Frame[] = []
  let i = bytes.subarray(0, PREFACE.length).equals(PREFACE) ? PREFACE.length : 0
  while (i < bytes.length) {
    const end = i + 9 + u24(bytes, i)
    if (end > bytes.length) throw new Error('a frame is cut off')
    frames.push({
      type: bytes[i + 3]!,
      flags: bytes[i + 4]!,
      id: u31(bytes, i + 5),
      payload: bytes.subarray(i + 9, end),
    })
    i = end
  }
  return frames
}
