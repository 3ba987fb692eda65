// Walks the frames of one direction and deals with those that mean the same in both; the rest is for ClientFrames
// and ServerFrames. A frame is looked at when its frame header is complete; DATA then passes as it comes, all others
// when they are complete.
import { type FlowDirection, ORIGINAL, REPLY } from '../parser.ts'
import { Budget } from './budget.ts'
import { type Http2Code } from './codes.ts'
import { type Connection } from './connection.ts'
import {
  ACK,
  CONTINUATION,
  DATA,
  END_STREAM,
  FRAME_HEADER_BYTES,
  GOAWAY,
  HEADERS,
  PADDED,
  PING,
  PRIORITY,
  PUSH_PROMISE,
  RST_STREAM,
  SETTING_BYTES,
  SETTINGS,
  u24,
  u31,
  WINDOW_UPDATE,
} from './frames.ts'
import { FAILED, HeaderBlock, MORE } from './header-block.ts'
import { HpackDecoder } from './hpack/decoder.ts'
import { EMPTY_ALLOWANCE, IGNORED_ALLOWANCE, PING_ALLOWANCE, SETTINGS_ALLOWANCE } from './allowances.ts'
import { HEADERS_TIMEOUT_MS, MAX_HEADER_LIST_BYTES, MAX_SETTINGS, MAX_UNACKNOWLEDGED } from './limits.ts'
import { MAX_FIELDS } from '../http1/limits.ts'
import { takeSettings } from './settings-frame.ts'

/** Returned by what looks at a frame: bytes consumed, MORE (0) or STOP (the connection is over, or must wait). */
export const STOP = -1

export abstract class FrameReader {
  /** When the header block that is arriving must be complete. */
  deadlineMs = Number.POSITIVE_INFINITY
  /** Decodes what the sender of this direction encodes. */
  readonly decoder = new HpackDecoder({ maxListBytes: MAX_HEADER_LIST_BYTES, maxFields: MAX_FIELDS })

  protected readonly connection: Connection
  protected readonly block = new HeaderBlock()
  private readonly direction: FlowDirection
  /** Of the sender's frames: what the other side allows. */
  private readonly reverse: FlowDirection
  private readonly settings = new Budget(SETTINGS_ALLOWANCE)
  private readonly pings = new Budget(PING_ALLOWANCE)
  private readonly empties = new Budget(EMPTY_ALLOWANCE)
  private readonly ignored = new Budget(IGNORED_ALLOWANCE)

  constructor(connection: Connection, direction: FlowDirection) {
    this.connection = connection
    this.direction = direction
    this.reverse = direction === ORIGINAL ? REPLY : ORIGINAL
  }

  read(b: Buffer, start: number, end: number): void {
    const { connection, direction } = this
    const lane = connection.lanes[direction]
    let i = start
    while (i < end) {
      if (lane.rest > 0) {
        i += connection.payload(direction, end - i)
        continue
      }
      if (connection.isBlocked(direction) || end - i < FRAME_HEADER_BYTES) break
      const consumed = this.frame(b, i, end)
      if (consumed <= 0) break
      i += consumed
      if (connection.isDead) return
    }
    connection.flush(direction)
  }

  /** The tables of this direction's sender may be so large from now on: it has acknowledged that. */
  acknowledgedTable([smallest, last]: readonly [smallest: number, last: number]): void {
    this.decoder.setMaxTableBytes(smallest)
    this.decoder.setMaxTableBytes(last)
    this.forget()
  }

  protected abstract data(id: number, length: number, content: number, endsStream: boolean): number
  /** @param bytes of all frames of `block`. */
  protected abstract headers(id: number, bytes: number): number
  protected abstract reset(id: number): number
  protected abstract windowUpdate(id: number, increment: number, b: Buffer, at: number): number
  protected abstract selfDependency(id: number): void
  /** Meanings of header blocks are void. */
  protected abstract forget(): void

  protected fail(code: Http2Code): typeof STOP {
    this.connection.fail(this.direction, code)
    return STOP
  }

  protected passWhole(bytes: number): number {
    this.connection.pass(this.direction, bytes)
    return bytes
  }

  protected dropWhole(bytes: number): number {
    this.connection.drop(this.direction, bytes)
    return bytes
  }

  private frame(b: Buffer, at: number, end: number): number {
    const { connection } = this
    const length = u24(b, at)
    const type = b[at + 3]!
    const flags = b[at + 4]!
    const id = u31(b, at + 5)
    const lane = connection.lanes[this.direction]
    if (!lane.isOpened) {
      // RFC 9113 §3.4. Neither side's SETTINGS may be the acknowledgement of the other's.
      if (type !== SETTINGS || (flags & ACK) !== 0 || id !== 0) return this.fail('HTTP2_BAD_PREFACE')
    }
    if (length > connection.settings[this.reverse].maxFrameBytes) return this.fail('HTTP2_FRAME_TOO_LARGE')
    switch (type) {
      case DATA:
        return this.dataFrame(b, at, end, length, flags, id)
      case HEADERS:
        return this.headersFrame(b, at, end, id)
      case CONTINUATION:
        return this.fail('HTTP2_UNEXPECTED_CONTINUATION')
      case PUSH_PROMISE:
        return this.fail('HTTP2_PUSH')
      case WINDOW_UPDATE: {
        if (length !== 4) return this.fail('HTTP2_BAD_FRAME_SIZE')
        if (end - at < FRAME_HEADER_BYTES + 4) return MORE
        return this.windowUpdate(id, u31(b, at + FRAME_HEADER_BYTES), b, at)
      }
      case RST_STREAM:
        if (length !== 4) return this.fail('HTTP2_BAD_FRAME_SIZE')
        if (id === 0) return this.fail('HTTP2_BAD_STREAM_ID')
        return end - at < FRAME_HEADER_BYTES + 4 ? MORE : this.reset(id)
      case SETTINGS:
        return this.settingsFrame(b, at, end, length, flags, id)
      case PING:
        if (length !== 8) return this.fail('HTTP2_BAD_FRAME_SIZE')
        if (id !== 0) return this.fail('HTTP2_BAD_STREAM_ID')
        if (end - at < FRAME_HEADER_BYTES + 8) return MORE
        if (!this.pings.take(connection.nowMs)) return this.fail('HTTP2_PING_FLOOD')
        return this.passWhole(FRAME_HEADER_BYTES + 8)
      case PRIORITY:
        return this.priorityFrame(b, at, end, length, id)
      case GOAWAY:
        if (length < 8) return this.fail('HTTP2_BAD_FRAME_SIZE')
        if (id !== 0) return this.fail('HTTP2_BAD_STREAM_ID')
        return this.stream(length, false)
      default:
        // An extension that nothing here understands: the receiver would have to ignore it (§5.5), so nobody loses
        // anything by not getting it, and nothing passes that no rule has seen.
        if (!this.ignored.take(connection.nowMs)) return this.fail('HTTP2_IGNORED_FLOOD')
        return this.stream(length, true)
    }
  }

  /** Consume the frame header; the payload follows as it comes. */
  protected stream(length: number, isDropped: boolean, endsId = 0): number {
    if (isDropped) this.connection.drop(this.direction, FRAME_HEADER_BYTES)
    else this.connection.pass(this.direction, FRAME_HEADER_BYTES)
    this.connection.beginPayload(this.direction, length, isDropped, endsId)
    return FRAME_HEADER_BYTES
  }

  private dataFrame(b: Buffer, at: number, end: number, length: number, flags: number, id: number): number {
    if (id === 0) return this.fail('HTTP2_BAD_STREAM_ID')
    let content = length
    if ((flags & PADDED) !== 0) {
      if (length === 0) return this.fail('HTTP2_BAD_FRAME_SIZE')
      if (end - at <= FRAME_HEADER_BYTES) return MORE
      content -= 1 + b[at + FRAME_HEADER_BYTES]!
      if (content < 0) return this.fail('HTTP2_BAD_PADDING')
    }
    const endsStream = (flags & END_STREAM) !== 0
    if (content === 0 && !endsStream && !this.empties.take(this.connection.nowMs)) {
      return this.fail('HTTP2_EMPTY_FLOOD')
    }
    return this.data(id, length, content, endsStream)
  }

  private headersFrame(b: Buffer, at: number, end: number, id: number): number {
    if (id === 0) return this.fail('HTTP2_BAD_STREAM_ID')
    const { connection, block } = this
    const bytes = block.read(b, at, end, connection.settings[this.reverse].maxFrameBytes)
    if (bytes === FAILED) return this.fail(block.code)
    if (bytes === MORE) {
      if (this.deadlineMs === Number.POSITIVE_INFINITY)
        this.deadlineMs = connection.nowMs + HEADERS_TIMEOUT_MS
      return MORE
    }
    this.deadlineMs = Number.POSITIVE_INFINITY
    const consumed = this.headers(id, bytes)
    block.release()
    return consumed
  }

  private settingsFrame(
    b: Buffer,
    at: number,
    end: number,
    length: number,
    flags: number,
    id: number,
  ): number {
    const { connection, direction } = this
    const isAck = (flags & ACK) !== 0
    if (length % SETTING_BYTES !== 0 || (isAck && length > 0)) return this.fail('HTTP2_BAD_FRAME_SIZE')
    if (id !== 0) return this.fail('HTTP2_BAD_STREAM_ID')
    if (length > MAX_SETTINGS * SETTING_BYTES) return this.fail('HTTP2_SETTINGS_FLOOD')
    const start = at + FRAME_HEADER_BYTES
    const bytes = FRAME_HEADER_BYTES + length
    if (end - start < length) return MORE
    if (isAck) {
      const done = connection.settings[this.reverse].acknowledge()
      if (done === undefined) return this.fail('HTTP2_UNEXPECTED_ACK')
      if (done.tableBytes !== undefined) this.acknowledgedTable(done.tableBytes)
      return this.passWhole(bytes)
    }
    const own = connection.settings[direction]
    if (!this.settings.take(connection.nowMs) || own.unacknowledged === MAX_UNACKNOWLEDGED) {
      return this.fail('HTTP2_SETTINGS_FLOOD')
    }
    const lane = connection.lanes[direction]
    const isFirst = !lane.isOpened
    lane.isOpened = true
    const { code, rewritten } = takeSettings(b, start, start + length, own, direction === ORIGINAL, isFirst)
    if (code !== '') return this.fail(code)
    if (rewritten === undefined) this.passWhole(bytes)
    else {
      this.dropWhole(bytes)
      connection.inject(direction, rewritten)
    }
    if (isFirst) connection.flushQueue(direction)
    return bytes
  }

  /** RFC 9113 §5.3: deprecated. It may name streams that only one side knows, so it goes no further. */
  private priorityFrame(b: Buffer, at: number, end: number, length: number, id: number): number {
    if (length !== 5) return this.fail('HTTP2_BAD_FRAME_SIZE')
    if (id === 0) return this.fail('HTTP2_BAD_STREAM_ID')
    if (end - at < FRAME_HEADER_BYTES + 5) return MORE
    if (!this.ignored.take(this.connection.nowMs)) return this.fail('HTTP2_IGNORED_FLOOD')
    this.dropWhole(FRAME_HEADER_BYTES + 5)
    if (u31(b, at + FRAME_HEADER_BYTES) === id) this.selfDependency(id)
    return FRAME_HEADER_BYTES + 5
  }
}
