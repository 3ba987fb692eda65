// SETTINGS (RFC 9113 §6.5) on its way: checked, and lowered where what is observed here has to be bounded.
import { type Http2Code } from './codes.ts'
import {
  DEFAULT_MAX_FRAME_BYTES,
  ENABLE_CONNECT_PROTOCOL,
  ENABLE_PUSH,
  FRAME_HEADER_BYTES,
  HEADER_TABLE_SIZE,
  INITIAL_WINDOW_SIZE,
  MAX_FRAME_SIZE,
  MAX_MAX_FRAME_BYTES,
  MAX_WINDOW_BYTES,
  SETTINGS,
  SETTING_BYTES,
  putFrameHeader,
  u32,
} from './frames.ts'
import { MAX_TABLE_BYTES } from './limits.ts'
import { type PeerSettings } from './peer-settings.ts'

export interface Taken {
  readonly code: Http2Code | ''
  /** The frame to forward instead; undefined: as it came. */
  readonly rewritten: Buffer | undefined
}

const AS_IT_CAME: Taken = { code: '', rewritten: undefined }

/**
 * Note what `b[start, end)`, the payload, announces.
 * @param isFirst of the connection and its direction.
 * @param isClient server push is turned off on its behalf: nobody has judged the requests of PUSH_PROMISE.
 */
export function takeSettings(
  b: Buffer,
  start: number,
  end: number,
  known: PeerSettings,
  isClient: boolean,
  isFirst: boolean,
): Taken {
  let frameBytes: number | undefined
  let windowBytes: number | undefined
  let tableBytes: [smallest: number, last: number] | undefined
  let allowsConnect = known.allowsExtendedConnect
  let mentionsPush = false
  let isChanged = false
  for (let i = start; i < end; i += SETTING_BYTES) {
    let value = u32(b, i + 2)
    switch ((b[i]! << 8) | b[i + 1]!) {
      case HEADER_TABLE_SIZE:
        if (value > MAX_TABLE_BYTES) {
          value = MAX_TABLE_BYTES
          isChanged = true
        }
        tableBytes = [Math.min(value, tableBytes?.[0] ?? value), value]
        break
      case ENABLE_PUSH:
        // A server may only say that it does not push (§6.5.2).
        if (value > (isClient ? 1 : 0)) return failed('HTTP2_BAD_SETTING')
        mentionsPush = true
        if (value === 1) isChanged = true
        break
      case INITIAL_WINDOW_SIZE:
        if (value > MAX_WINDOW_BYTES) return failed('HTTP2_BAD_INITIAL_WINDOW')
        windowBytes = value
        break
      case MAX_FRAME_SIZE:
        if (value < DEFAULT_MAX_FRAME_BYTES || value > MAX_MAX_FRAME_BYTES) return failed('HTTP2_BAD_SETTING')
        frameBytes = value
        break
      case ENABLE_CONNECT_PROTOCOL:
        // RFC 8441 §3: never taken back.
        if (value > 1 || (value === 0 && allowsConnect)) return failed('HTTP2_BAD_SETTING')
        allowsConnect = value === 1
        break
    }
  }
  known.allowsExtendedConnect = allowsConnect
  known.announce({ frameBytes, windowBytes, tableBytes })
  const addsPush = isClient && isFirst && !mentionsPush
  if (!isChanged && !addsPush) return AS_IT_CAME
  return { code: '', rewritten: rewrite(b, start, end, addsPush) }
}

function rewrite(b: Buffer, start: number, end: number, addsPush: boolean): Buffer {
  const length = end - start + (addsPush ? SETTING_BYTES : 0)
  const frame = Buffer.alloc(FRAME_HEADER_BYTES + length)
  putFrameHeader(frame, 0, length, SETTINGS, 0, 0)
  b.copy(frame, FRAME_HEADER_BYTES, start, end)
  for (let i = FRAME_HEADER_BYTES; i < FRAME_HEADER_BYTES + end - start; i += SETTING_BYTES) {
    const name = frame.readUInt16BE(i)
    if (name === HEADER_TABLE_SIZE) {
      frame.writeUInt32BE(Math.min(frame.readUInt32BE(i + 2), MAX_TABLE_BYTES), i + 2)
    } else if (name === ENABLE_PUSH) frame.writeUInt32BE(0, i + 2)
  }
  if (addsPush) frame.writeUInt16BE(ENABLE_PUSH, frame.length - SETTING_BYTES)
  return frame
}

function failed(code: Http2Code): Taken {
  return { code, rewritten: undefined }
}
