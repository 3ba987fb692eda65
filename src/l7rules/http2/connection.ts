// What both directions of one HTTP/2 connection share: streams, windows, settings, and how bytes and frames of
// ours reach the peers.
import { type EncodedSlash } from '../../lib/encoded-slash.ts'
import { type FlowDirection, ORIGINAL, REPLY, type Steps } from '../parser.ts'
import { type HttpCode } from '../http1/codes.ts'
import { type HttpExchange, type HttpJudge } from '../http1/request.ts'
import { HTTP2_CODES, type Http2Code, INTERNAL_ERROR } from './codes.ts'
import { DEFAULT_WINDOW_BYTES, EMPTY_SETTINGS, goaway, rstStream, windowUpdate } from './frames.ts'
import { Lane } from './lane.ts'
import { RESET_ALLOWANCE } from './allowances.ts'
import { MAX_QUEUED_BYTES } from './limits.ts'
import { Budget } from './budget.ts'
import { PeerSettings } from './peer-settings.ts'
import { MALFORMED, newRecord, type Stream, Streams } from './stream.ts'

export interface Http2Options {
  /** Called once per request, never from memory: its answer may change from one request to the next. */
  readonly judge: HttpJudge
  /** Called once per request when its exchange is over. */
  readonly onExchange: (exchange: HttpExchange) => void
  readonly steps: Steps
  /** Body of the 403. Must not change: it is rendered once. */
  readonly deniedBody: Uint8Array
  /** What `%2F` in a path means. Default: keep. */
  readonly encodedSlash?: EncodedSlash
}

export class Connection {
  readonly options: Http2Options
  readonly lanes = [new Lane(), new Lane()] as const
  /** By the direction in which they were announced: [0] the client's, which bind the server. */
  readonly settings = [new PeerSettings(), new PeerSettings()] as const
  readonly streams = new Streams()
  nowMs = 0
  /** Nothing is done any more. */
  isDead = false
  /** The latest stream that the client opened. */
  lastId = 0
  /** The latest of them that the server knows. */
  lastServerId = 0

  // Connection windows. The client's: what it may still send, granted by the server and, for swallowed data, by us.
  clientWindow = DEFAULT_WINDOW_BYTES
  /** What the server may still send, as the client sees it: our own data counts, too. */
  serverWindow = DEFAULT_WINDOW_BYTES
  /** What the server believes to have more than that: our data for which the client has not given credit yet. */
  windowDebt = 0
  /** A frame of the server waits for the client's window. */
  isServerHeld = false

  private readonly resets = new Budget(RESET_ALLOWANCE)
  private readonly fault = newRecord()

  constructor(options: Http2Options) {
    this.options = options
  }

  // === bytes ===

  pass(direction: FlowDirection, bytes: number): void {
    this.lanes[direction].run += bytes
  }

  /** Hand over what was to pass. */
  flush(direction: FlowDirection): void {
    const lane = this.lanes[direction]
    if (lane.run === 0) return
    const bytes = lane.run
    lane.run = 0
    this.options.steps.pass(direction, bytes)
  }

  drop(direction: FlowDirection, bytes: number): void {
    this.flush(direction)
    this.options.steps.drop(direction, bytes)
  }

  /** Put frames of ours into `direction`, as soon as it is between frames. */
  inject(direction: FlowDirection, frames: Uint8Array): void {
    const lane = this.lanes[direction]
    if (lane.isFinished) return
    if (!lane.isBetweenFrames || lane.queuedBytes > 0) {
      lane.queue.push(frames)
      lane.queuedBytes += frames.length
      return
    }
    this.flush(direction)
    this.options.steps.inject(direction, frames)
  }

  /** Frame `length` bytes from here on, behind its frame header, which was consumed. */
  beginPayload(direction: FlowDirection, length: number, isDropped: boolean, endsId: number): void {
    const lane = this.lanes[direction]
    lane.rest = length
    lane.isRestDropped = isDropped
    lane.endsId = endsId
    if (length === 0) this.endFrame(direction)
  }

  /** @returns how many of the `available` bytes belong to the frame under way. */
  payload(direction: FlowDirection, available: number): number {
    const lane = this.lanes[direction]
    const bytes = available < lane.rest ? available : lane.rest
    if (lane.isRestDropped) this.drop(direction, bytes)
    else lane.run += bytes
    lane.rest -= bytes
    if (lane.rest === 0) this.endFrame(direction)
    return bytes
  }

  /** Nothing more of `direction` may be looked at for now. Only between frames. */
  isBlocked(direction: FlowDirection): boolean {
    const other = direction === ORIGINAL ? REPLY : ORIGINAL
    return this.lanes[other].queuedBytes > MAX_QUEUED_BYTES || (direction === REPLY && this.isServerHeld)
  }

  wants(direction: FlowDirection): boolean {
    return !this.isDead && (this.lanes[direction].rest > 0 || !this.isBlocked(direction))
  }

  finish(direction: FlowDirection): void {
    const lane = this.lanes[direction]
    if (lane.isFinished) return
    lane.isFinished = true
    this.options.steps.finish(direction)
  }

  private endFrame(direction: FlowDirection): void {
    const lane = this.lanes[direction]
    lane.isRestDropped = false
    if (lane.endsId !== 0) {
      const stream = this.streams.get(lane.endsId)
      lane.endsId = 0
      if (stream !== undefined) this.endSide(direction, stream)
    }
    if (lane.queuedBytes > 0) this.flushQueue(direction)
  }

  /** A frame has ended that ours had to wait for. */
  flushQueue(direction: FlowDirection): void {
    const lane = this.lanes[direction]
    const { queue } = lane
    lane.queue = []
    lane.queuedBytes = 0
    for (const frames of queue) this.inject(direction, frames)
  }

  // === streams ===

  endSide(direction: FlowDirection, stream: Stream): void {
    if (direction === ORIGINAL) stream.isClientDone = true
    else stream.isServerDone = true
    if (stream.isClientDone && stream.isServerDone) this.settle(stream, true)
  }

  /** The exchange is over. */
  settle(stream: Stream, wasEnded: boolean): void {
    const { record } = stream
    record.endedMs = this.nowMs
    this.options.onExchange(record)
    this.streams.remove(stream, wasEnded)
  }

  /** A fault of the client ends a stream that the server knows. @returns false when that came too often. */
  refuseStream(stream: Stream, code: Http2Code | HttpCode): boolean {
    const error = errorOf(code)
    this.inject(REPLY, rstStream(stream.id, error))
    this.inject(ORIGINAL, rstStream(stream.id, error))
    stream.record.error = code
    this.settle(stream, false)
    return this.countReset()
  }

  /** Swallowed data is given back: the client's window stays what the server made it. */
  credit(bytes: number): void {
    if (bytes === 0) return
    this.clientWindow += bytes
    this.inject(REPLY, windowUpdate(0, bytes))
  }

  /** The client's doing, or a peer's that the client brought about. @returns false when the connection was ended for it. */
  countReset(): boolean {
    if (this.resets.take(this.nowMs)) return true
    this.fail(ORIGINAL, 'HTTP2_RESET_FLOOD')
    return false
  }

  // === the end ===

  /** @param culprit direction of the sender that is at fault. */
  fail(culprit: FlowDirection, code: Http2Code): void {
    if (this.isDead) return
    this.isDead = true
    this.flush(ORIGINAL)
    this.flush(REPLY)
    const { fault } = this
    fault.error = code
    fault.verdict = MALFORMED
    fault.startedMs = this.nowMs
    fault.endedMs = this.nowMs
    this.options.onExchange(fault)
    this.abandon('HTTP_CONNECTION_LOST')
    const lane = this.lanes[REPLY]
    if ((lane.isBetweenFrames || !lane.isOpened) && !lane.isFinished) {
      const error = culprit === ORIGINAL ? HTTP2_CODES[code].error : INTERNAL_ERROR
      // The client has to see SETTINGS first (§3.4).
      if (!lane.isOpened) this.options.steps.inject(REPLY, EMPTY_SETTINGS)
      this.options.steps.inject(REPLY, goaway(this.lastId, error, code))
    }
    this.options.steps.error(code)
  }

  /** No exchange goes on: record them all. */
  abandon(code: HttpCode): void {
    for (const stream of this.streams) {
      if (stream.record.error === '') stream.record.error = code
      this.settle(stream, false)
    }
  }
}

/** What goes into RST_STREAM. */
export function errorOf(code: Http2Code | HttpCode): number {
  return code in HTTP2_CODES ? HTTP2_CODES[code as Http2Code].error : HTTP2_CODES.HTTP2_BAD_TRAILERS.error
}
