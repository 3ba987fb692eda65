// Runs the parser of one connection: keeps what it left unconsumed, performs its steps in order, asks it again
// when it was blocked. Knows no sockets.
import type { Clock } from './io/types.ts'
import { ORIGINAL, REPLY, type FlowDirection, type ProtocolParser, type Steps } from '../l7rules/parser.ts'
import { Gather } from './gather.ts'
import { ByteQueue, NO_BYTES } from './io/byte-queue.ts'

export type ParserFactory = (steps: Steps) => ProtocolParser

/**
 * A parser that limits how long something may take, such as a request head. Optional: the relay looks for
 * `expire` once, and at `deadlineMs` after each call.
 */
export interface ExpiringParser extends ProtocolParser {
  /** Monotonic milliseconds; Infinity = no limit now. Looked at after each call of the parser. */
  readonly deadlineMs: number
  /** `deadlineMs` has passed (up to one tick late). May take any step. */
  expire(nowMs: number): void
}

/** Codes that the relay itself gives a connection whose parser misbehaves. */
export const RELAY_ERROR_CODES = {
  PARSER_THREW: 'The parser threw an exception.',
  PARSER_BROKE_CONTRACT: 'The parser consumed bytes that were not there.',
  RETAINED_TOO_LARGE: 'The parser left more bytes unconsumed than the relay may keep.',
} as const

/** Who performs on sockets. Never called while the parser is running, except `forward` and `inject`. */
export interface ParserOutput {
  /** Bytes that arrived go to the receiver of `direction`. */
  forward(direction: FlowDirection, buffer: Buffer, start: number, end: number): void
  /** Bytes that the parser made, and maybe others between them, go to the receiver of `direction`. Not to be kept. */
  inject(direction: FlowDirection, data: Uint8Array): void
  finish(direction: FlowDirection): void
  /** Close downstream in an orderly way. The parser takes no further part. */
  fail(code: string): void
  /** `isBlocked` may have changed. */
  settled(): void
}

const DIRECTIONS = [ORIGINAL, REPLY] as const
const NOTHING = Buffer.alloc(0)

export class RelayParser implements Steps {
  // Sets of directions, as bits: thousands of these lie idle, and an array of two takes 64 bytes.
  #blocked = 0
  #endDue = 0
  #finishDue = 0
  #finished = 0
  readonly #parser: ProtocolParser
  readonly #expiring: ExpiringParser | null
  readonly #output: ParserOutput
  readonly #clock: Clock
  readonly #maxRetainedBytes: number
  readonly #gather: Gather
  #retainedOriginal = NO_BYTES
  #retainedReply = NO_BYTES
  /** The parser takes no further steps. */
  #isOver = false
  #errorCode = ''
  #isClosed = false

  // The bytes that `receive` is looking at; #direction is -1 outside of it. Those in [#passFrom, #cursor) are
  // passed but not forwarded yet: what passes in one go is sent in one go.
  #direction: FlowDirection | -1 = -1
  #buffer: Buffer = NOTHING
  #passFrom = 0
  #cursor = 0
  #end = 0

  constructor(factory: ParserFactory, output: ParserOutput, clock: Clock, maxRetainedBytes: number) {
    this.#output = output
    this.#clock = clock
    this.#maxRetainedBytes = maxRetainedBytes
    this.#gather = new Gather(output)
    this.#parser = factory(this)
    this.#expiring = 'expire' in this.#parser ? (this.#parser as ExpiringParser) : null
  }

  /** Ask the parser what it wants before anything has come. */
  start(): void {
    this.#settle()
  }

  /** Stop reading the sender of `direction`. */
  isBlocked(direction: FlowDirection): boolean {
    return (this.#blocked & (1 << direction)) !== 0
  }

  get deadlineMs(): number {
    return this.#expiring === null || this.#isOver ? Number.POSITIVE_INFINITY : this.#expiring.deadlineMs
  }

  expire(): void {
    if (this.#isOver) return
    this.#call(() => this.#expiring?.expire(this.#clock.nowMs))
    this.#settle()
  }

  receive(direction: FlowDirection, buffer: Buffer, start: number, end: number): void {
    if (this.#isOver) return
    const retained = this.#retained(direction)
    if (retained.length === 0) {
      this.#offer(direction, buffer, start, end)
      if (this.#cursor < end) this.#retain(direction, buffer, this.#cursor, end)
    } else {
      retained.append(buffer, start, end)
      this.#offerRetained(direction)
    }
    this.#settle()
  }

  /** FIN of `direction`'s sender; held back while the parser is blocked. */
  end(direction: FlowDirection): void {
    if (this.#isOver) return
    this.#endDue |= 1 << direction
    this.#settle()
  }

  /** The connection is over: the last call that the parser gets. */
  close(): void {
    if (this.#isClosed) return
    this.#isClosed = true
    this.#isOver = true
    this.#retainedOriginal.clear()
    this.#retainedReply.clear()
    try {
      this.#parser.close(this.#clock.nowMs)
    } catch {
      // Its records are lost; the connection is gone either way.
    }
  }

  // Steps, called by the parser.

  pass(direction: FlowDirection, bytes: number): void {
    if (this.#isOver) return
    if (direction === this.#direction) {
      if (this.#isWithin(bytes, this.#end - this.#cursor)) this.#cursor += bytes
      return
    }
    const retained = this.#retained(direction)
    if (!this.#isWithin(bytes, retained.length)) return
    this.#forward(direction, retained.buffer, retained.start, retained.start + bytes)
    retained.consume(bytes)
  }

  drop(direction: FlowDirection, bytes: number): void {
    if (this.#isOver) return
    if (direction !== this.#direction) {
      const retained = this.#retained(direction)
      if (this.#isWithin(bytes, retained.length)) retained.consume(bytes)
      return
    }
    if (!this.#isWithin(bytes, this.#end - this.#cursor)) return
    this.#forwardPassed()
    this.#cursor += bytes
    this.#passFrom = this.#cursor
  }

  inject(direction: FlowDirection, data: Uint8Array): void {
    if (this.#isOver || data.length === 0) return
    if (this.#hasFinished(direction)) return
    if (direction === this.#direction && this.#passFrom < this.#cursor) {
      this.#gather.add(direction, this.#buffer, this.#passFrom, this.#cursor)
      this.#passFrom = this.#cursor
    }
    this.#gather.add(direction, data, 0, data.length)
  }

  error(code: string): void {
    if (this.#isOver) return
    this.#forwardPassed()
    this.#isOver = true
    this.#errorCode = code
  }

  finish(direction: FlowDirection): void {
    if (this.#isOver) return
    if (direction === this.#direction) this.#forwardPassed()
    // Performed when the parser has returned: it may be the end of the connection, and so call the parser.
    this.#finishDue |= 1 << direction
  }

  #retained(direction: FlowDirection): ByteQueue {
    return direction === ORIGINAL ? this.#retainedOriginal : this.#retainedReply
  }

  #retain(direction: FlowDirection, buffer: Buffer, start: number, end: number): void {
    if (this.#retained(direction) === NO_BYTES) {
      if (direction === ORIGINAL) this.#retainedOriginal = new ByteQueue()
      else this.#retainedReply = new ByteQueue()
    }
    this.#retained(direction).append(buffer, start, end)
  }

  #hasFinished(direction: FlowDirection): boolean {
    return ((this.#finishDue | this.#finished) & (1 << direction)) !== 0
  }

  #isWithin(bytes: number, available: number): boolean {
    if (bytes >= 0 && bytes <= available) return true
    this.error('PARSER_BROKE_CONTRACT')
    return false
  }

  #forwardPassed(): void {
    if (this.#direction === -1 || this.#passFrom === this.#cursor) return
    this.#forward(this.#direction, this.#buffer, this.#passFrom, this.#cursor)
    this.#passFrom = this.#cursor
  }

  #forward(direction: FlowDirection, buffer: Buffer, start: number, end: number): void {
    if (end <= start || this.#hasFinished(direction)) return
    if (this.#gather.has(direction)) this.#gather.add(direction, buffer, start, end)
    else this.#output.forward(direction, buffer, start, end)
  }

  /** Let the parser look at `buffer[start, end)`; afterwards [#cursor, end) are unconsumed. */
  #offer(direction: FlowDirection, buffer: Buffer, start: number, end: number): void {
    this.#direction = direction
    this.#buffer = buffer
    this.#passFrom = start
    this.#cursor = start
    this.#end = end
    try {
      this.#parser.receive(direction, buffer, start, end, this.#clock.nowMs)
    } catch {
      this.error('PARSER_THREW')
    }
    this.#forwardPassed()
    this.#gather.flush()
    this.#direction = -1
    this.#buffer = NOTHING
  }

  #offerRetained(direction: FlowDirection): void {
    const retained = this.#retained(direction)
    const start = retained.start
    this.#offer(direction, retained.buffer, start, retained.end)
    retained.consume(this.#cursor - start)
  }

  #call(call: () => void): void {
    try {
      call()
    } catch {
      this.error('PARSER_THREW')
    }
    this.#gather.flush()
  }

  /** Give the parser what it was not ready for, until nothing changes; then perform what ends something. */
  #settle(): void {
    while (!this.#isOver && (this.#unblock(ORIGINAL) || this.#unblock(REPLY))) continue
    for (const direction of DIRECTIONS) {
      if (this.#retained(direction).length > this.#maxRetainedBytes) this.error('RETAINED_TOO_LARGE')
    }
    if (this.#isOver) return this.#output.fail(this.#errorCode)
    for (const direction of DIRECTIONS) this.#finishIfDue(direction)
    this.#output.settled()
  }

  #finishIfDue(direction: FlowDirection): void {
    if (this.#isOver || (this.#finishDue & ~this.#finished & (1 << direction)) === 0) return
    this.#finished |= 1 << direction
    this.#output.finish(direction)
  }

  /** Returns true when the parser was called, so that its wishes may have changed. */
  #unblock(direction: FlowDirection): boolean {
    const bit = 1 << direction
    if (!this.#parser.wants(direction)) {
      this.#blocked |= bit
      return false
    }
    const wasBlocked = (this.#blocked & bit) !== 0
    this.#blocked &= ~bit
    if (wasBlocked && this.#retained(direction).length > 0) {
      this.#offerRetained(direction)
      return true
    }
    if ((this.#endDue & bit) === 0) return false
    this.#endDue &= ~bit
    // What the parser could not use by now never gets its continuation.
    this.#call(() => this.#parser.end(direction, this.#clock.nowMs))
    return true
  }
}
