// Frames of RFC 9113 §4.1 and §6: names, and the few that are made here.
//
// length (24) | type (8) | flags (8) | reserved (1) | stream identifier (31) | payload

export const PREFACE = Buffer.from('PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n', 'latin1')
export const FRAME_HEADER_BYTES = 9

// Fixed by RFC 9113 §6.5.2 and §6.9.1.
/** SETTINGS_MAX_FRAME_SIZE before anybody sets it; our own frames stay below it. */
export const DEFAULT_MAX_FRAME_BYTES = 16_384
export const MAX_MAX_FRAME_BYTES = 0xffffff
export const DEFAULT_WINDOW_BYTES = 65_535
export const MAX_WINDOW_BYTES = 0x7fffffff

export const DATA = 0
export const HEADERS = 1
export const PRIORITY = 2
export const RST_STREAM = 3
export const SETTINGS = 4
export const PUSH_PROMISE = 5
export const PING = 6
export const GOAWAY = 7
export const WINDOW_UPDATE = 8
export const CONTINUATION = 9

export const END_STREAM = 0x1
export const ACK = 0x1
export const END_HEADERS = 0x4
export const PADDED = 0x8
export const HAS_PRIORITY = 0x20

// RFC 9113 §6.5.2, RFC 8441 §3.
export const HEADER_TABLE_SIZE = 1
export const ENABLE_PUSH = 2
export const INITIAL_WINDOW_SIZE = 4
export const MAX_FRAME_SIZE = 5
export const ENABLE_CONNECT_PROTOCOL = 8
export const SETTING_BYTES = 6

export function u24(b: Uint8Array, at: number): number {
  return (b[at]! << 16) | (b[at + 1]! << 8) | b[at + 2]!
}

export function u32(b: Uint8Array, at: number): number {
  return b[at]! * 0x1000000 + u24(b, at + 1)
}

/** 31 bits: the reserved bit is ignored (§4.1, §6.9). */
export function u31(b: Uint8Array, at: number): number {
  return ((b[at]! & 0x7f) << 24) | u24(b, at + 1)
}

export function putFrameHeader(
  b: Buffer,
  at: number,
  length: number,
  type: number,
  flags: number,
  id: number,
): void {
  b.writeUIntBE(length, at, 3)
  b[at + 3] = type
  b[at + 4] = flags
  b.writeUInt32BE(id, at + 5)
}

function frame(length: number, type: number, flags: number, id: number): Buffer {
  const bytes = Buffer.allocUnsafe(FRAME_HEADER_BYTES + length)
  putFrameHeader(bytes, 0, length, type, flags, id)
  return bytes
}

export const EMPTY_SETTINGS = frame(0, SETTINGS, 0, 0)

export function rstStream(id: number, error: number): Buffer {
  const bytes = frame(4, RST_STREAM, 0, id)
  bytes.writeUInt32BE(error, FRAME_HEADER_BYTES)
  return bytes
}

export function windowUpdate(id: number, increment: number): Buffer {
  const bytes = frame(4, WINDOW_UPDATE, 0, id)
  bytes.writeUInt32BE(increment, FRAME_HEADER_BYTES)
  return bytes
}

export function goaway(lastId: number, error: number, debug: string): Buffer {
  const bytes = frame(8 + debug.length, GOAWAY, 0, 0)
  bytes.writeUInt32BE(lastId, FRAME_HEADER_BYTES)
  bytes.writeUInt32BE(error, FRAME_HEADER_BYTES + 4)
  bytes.write(debug, FRAME_HEADER_BYTES + 8, 'latin1')
  return bytes
}

/** A header block in as many frames as it takes. */
export function headerFrames(id: number, block: Uint8Array, endsStream: boolean): Buffer {
  return split(HEADERS, CONTINUATION, END_HEADERS, endsStream ? END_STREAM : 0, id, block)
}

/** DATA that ends the stream, in as many frames as it takes. */
export function dataFrames(id: number, data: Uint8Array): Buffer {
  return split(DATA, DATA, END_STREAM, 0, id, data)
}

function split(
  firstType: number,
  nextType: number,
  lastFlags: number,
  firstFlags: number,
  id: number,
  payload: Uint8Array,
): Buffer {
  const count = Math.max(1, Math.ceil(payload.length / DEFAULT_MAX_FRAME_BYTES))
  const bytes = Buffer.allocUnsafe(payload.length + count * FRAME_HEADER_BYTES)
  let at = 0
  for (let i = 0; i < count; i++) {
    const start = i * DEFAULT_MAX_FRAME_BYTES
    const length = Math.min(DEFAULT_MAX_FRAME_BYTES, payload.length - start)
    const flags = (i === 0 ? firstFlags : 0) | (i === count - 1 ? lastFlags : 0)
    putFrameHeader(bytes, at, length, i === 0 ? firstType : nextType, flags, id)
    bytes.set(payload.subarray(start, start + length), at + FRAME_HEADER_BYTES)
    at += FRAME_HEADER_BYTES + length
  }
  return bytes
}
