// A pair of sockets, downstream (client) and upstream (server), and what passes between them. FIN, RST and
// back-pressure of one side are mirrored to the other; a parser between them may drop, add and end.
import type { Clock, Socket, SocketHandler } from './io/types.ts'
import type { Listed } from './live-list.ts'
import type { RelayLimits } from './relay-limits.ts'
import { ORIGINAL, REPLY, type FlowDirection } from '../l7rules/parser.ts'
import { RelayParser, type ParserFactory, type ParserOutput } from './relay-parser.ts'
import { WheelTimer, type TimerOwner, type TimerWheel } from './timer-wheel.ts'

/** Why a relay ended; counted by name. */
export const CLOSE_REASONS = {
  FINISHED: 'Both sides closed.',
  DOWNSTREAM_RESET: 'The connection to the client broke; the server got RST.',
  UPSTREAM_RESET: 'The connection to the server broke; the client got RST.',
  CONNECT_FAILED: 'The server could not be reached; the client got RST.',
  CONNECT_TIMEOUT: 'The server did not answer; the client got RST.',
  PARSER_ERROR: 'The bytes could not be parsed; the client got what was due and FIN.',
  PARSER_CLOSED: 'The parser ended the connection after an answer of its own.',
  HALF_CLOSED_IDLE: 'One side had closed and nothing moved for too long.',
  POLICY_REVOKED: 'The policy no longer allows the connection; both sides got RST.',
  SHUTDOWN: 'The proxy stopped; both sides got RST.',
} as const
export type CloseReason = keyof typeof CLOSE_REASONS

/** Bytes on the wire. What is sent differs from what the other side received by drops and injections. */
export interface RelayStats {
  downstreamReceivedBytes: number
  downstreamSentBytes: number
  upstreamReceivedBytes: number
  upstreamSentBytes: number
}

export interface RelayOptions {
  readonly downstream: Socket
  /** Still connecting. Neither socket has a handler yet. */
  readonly upstream: Socket
  /** null: bytes pass unseen. */
  readonly parser: ParserFactory | null
  readonly clock: Clock
  readonly wheel: TimerWheel
  readonly limits: RelayLimits
  /** Once. `detail` is an errno name, a parser's error code or ''. */
  readonly onClosed: (relay: Relay, reason: CloseReason, detail: string) => void
}

export interface Relay extends Listed {
  readonly downstream: Socket
  readonly upstream: Socket
  readonly stats: Readonly<RelayStats>
  readonly isClosed: boolean
  /** Reset both sides at once. */
  abort(reason: CloseReason): void
}

/** Owns both sockets from now on. */
export function openRelay(options: RelayOptions): Relay {
  const pair = new Pair(options)
  pair.start()
  return pair
}

/**
 * open: bytes move, also while upstream is still connecting.
 * draining: the proxy decided to end; downstream gets the rest and FIN, and is read until it closes too.
 */
type State = 'open' | 'draining' | 'closed'
type TimerPurpose = 'connect' | 'drain' | 'hangup' | 'half-closed'

// Why a side is not read, as bits; it is read again when none is left.
const HOLD_RECEIVER_FULL = 1
const HOLD_PARSER_BLOCKED = 2
const HOLD_ANSWERS_UNREAD = 4
const HOLD_BITS = 3
const ALL_HOLDS = (1 << HOLD_BITS) - 1

const DIRECTIONS = [ORIGINAL, REPLY] as const

class Pair implements Relay, ParserOutput, TimerOwner {
  liveIndex = -1
  readonly downstream: Socket
  readonly upstream: Socket
  readonly stats: RelayStats = {
    downstreamReceivedBytes: 0,
    downstreamSentBytes: 0,
    upstreamReceivedBytes: 0,
    upstreamSentBytes: 0,
  }
  readonly #clock: Clock
  readonly #wheel: TimerWheel
  readonly #limits: RelayLimits
  readonly #onClosed: RelayOptions['onClosed']
  readonly #parser: RelayParser | null
  readonly #timer = new WheelTimer(this)
  #parserTimer: WheelTimer | null = null
  #parserTimerMs = Number.POSITIVE_INFINITY
  #timerPurpose: TimerPurpose = 'connect'
  #state: State = 'open'
  /** Why it ends, as soon as that is known. */
  #reason: CloseReason = 'FINISHED'
  #detail = ''
  /** Holds on the socket that sends in a direction; those of REPLY are `HOLD_BITS` higher. */
  #holds = 0
  /** Directions, as bits. */
  #finished = 0
  #activeMs: number
  #drainedBytes = 0

  constructor(options: RelayOptions) {
    this.#clock = options.clock
    this.#wheel = options.wheel
    this.#limits = options.limits
    this.#onClosed = options.onClosed
    this.downstream = options.downstream
    this.upstream = options.upstream
    this.#activeMs = options.clock.nowMs
    this.#parser =
      options.parser === null
        ? null
        : new RelayParser(options.parser, this, options.clock, options.limits.maxRetainedBytes)
  }

  get isClosed(): boolean {
    return this.#state === 'closed'
  }

  start(): void {
    this.downstream.setHandler(new Side(this, ORIGINAL))
    this.upstream.setHandler(new Side(this, REPLY))
    this.#arm('connect', this.#limits.connectMs)
    this.#parser?.start()
  }

  abort(reason: CloseReason): void {
    if (this.#state === 'closed') return
    this.downstream.abort()
    this.upstream.abort()
    this.#conclude(reason, '')
  }

  // Events of the two sides. `direction` is the one in which the side sends.

  connected(): void {
    if (this.#state !== 'open') return
    if (this.#timerPurpose === 'connect') this.#wheel.clear(this.#timer)
    this.#watchHalfClosed()
  }

  received(direction: FlowDirection, buffer: Buffer, start: number, end: number): void {
    this.#activeMs = this.#clock.nowMs
    if (direction === ORIGINAL) this.stats.downstreamReceivedBytes += end - start
    else this.stats.upstreamReceivedBytes += end - start
    if (this.#state === 'draining') return this.#discard(end - start)
    if (this.#parser === null) this.forward(direction, buffer, start, end)
    else this.#parser.receive(direction, buffer, start, end)
  }

  ended(direction: FlowDirection): void {
    this.#activeMs = this.#clock.nowMs
    if (this.#state === 'open') {
      if (this.#parser === null) this.finish(direction)
      else this.#parser.end(direction)
    }
    this.#closeIfDone()
    this.#watchHalfClosed()
  }

  drained(direction: FlowDirection): void {
    this.#activeMs = this.#clock.nowMs
    this.#release(direction, HOLD_ANSWERS_UNREAD)
    this.#release(opposite(direction), HOLD_RECEIVER_FULL)
    this.#closeIfDone()
  }

  /** Its last bytes wait for a receiver that may never take them. */
  hungUp(direction: FlowDirection): void {
    if (this.#state !== 'open') return
    this.#reason = resetReason(direction)
    this.#arm('hangup', this.#limits.hangupMs)
  }

  /** Nothing of it waits to be sent: it was read to its end, and reading stops while the other has a queue. */
  broke(direction: FlowDirection, errno: string, wasConnecting: boolean): void {
    if (this.#state === 'closed') return
    this.#socket(opposite(direction)).abort()
    if (this.#state === 'draining') this.#conclude(this.#reason, this.#detail)
    else this.#conclude(wasConnecting ? 'CONNECT_FAILED' : resetReason(direction), errno)
  }

  // Steps of the parser, or of no parser.

  forward(direction: FlowDirection, buffer: Buffer, start: number, end: number): void {
    if (!this.#send(direction, buffer, start, end)) this.#hold(direction, HOLD_RECEIVER_FULL)
  }

  inject(direction: FlowDirection, data: Uint8Array): void {
    if (this.#send(direction, data, 0, data.length)) return
    this.#hold(direction, HOLD_RECEIVER_FULL)
    // Its own requests make these answers: who does not read them gets no more.
    const receiver = opposite(direction)
    if (this.#socket(receiver).queuedBytes > this.#limits.maxUnreadAnswerBytes) {
      this.#hold(receiver, HOLD_ANSWERS_UNREAD)
    }
  }

  finish(direction: FlowDirection): void {
    this.#finished |= 1 << direction
    this.#socket(opposite(direction)).shutdown()
    if (this.#state !== 'open') return
    const isReplyFinished = (this.#finished & (1 << REPLY)) !== 0
    const isAnswerOurs = isReplyFinished && !this.upstream.isEnded
    const isRestUseless = isReplyFinished && (this.#finished & (1 << ORIGINAL)) !== 0
    if (isAnswerOurs || (isRestUseless && !this.downstream.isEnded)) {
      this.#drain('PARSER_CLOSED', '')
      this.upstream.close()
    }
    this.#closeIfDone()
  }

  fail(code: string): void {
    if (this.#state !== 'open') return
    this.#drain('PARSER_ERROR', code)
    this.upstream.abort()
    this.#closeIfDone()
  }

  settled(): void {
    const parser = this.#parser
    if (parser === null || this.#state !== 'open') return
    for (const direction of DIRECTIONS) {
      if (parser.isBlocked(direction)) this.#hold(direction, HOLD_PARSER_BLOCKED)
      else this.#release(direction, HOLD_PARSER_BLOCKED)
    }
    if (parser.deadlineMs !== Number.POSITIVE_INFINITY) this.#armParserTimer(parser.deadlineMs)
  }

  onTimer(timer: WheelTimer): void {
    if (timer === this.#parserTimer) return this.#parserTimeout()
    switch (this.#timerPurpose) {
      case 'connect':
        return this.abort('CONNECT_TIMEOUT')
      case 'hangup':
        return this.abort(this.#reason)
      case 'half-closed':
        return this.#halfClosedTimeout()
      case 'drain':
        this.downstream.close()
        return this.#conclude(this.#reason, this.#detail)
    }
  }

  #send(direction: FlowDirection, buffer: Uint8Array, start: number, end: number): boolean {
    if (direction === ORIGINAL) {
      this.stats.upstreamSentBytes += end - start
      return this.upstream.write(buffer, start, end)
    }
    this.stats.downstreamSentBytes += end - start
    return this.downstream.write(buffer, start, end)
  }

  /** The socket that sends in `direction`. */
  #socket(direction: FlowDirection): Socket {
    return direction === ORIGINAL ? this.downstream : this.upstream
  }

  #hold(direction: FlowDirection, hold: number): void {
    const wasHeld = this.#isHeld(direction)
    this.#holds |= hold << (direction * HOLD_BITS)
    if (!wasHeld) this.#socket(direction).pause()
  }

  #release(direction: FlowDirection, hold: number): void {
    const bit = hold << (direction * HOLD_BITS)
    if ((this.#holds & bit) === 0) return
    this.#holds &= ~bit
    if (!this.#isHeld(direction)) this.#socket(direction).resume()
  }

  #isHeld(direction: FlowDirection): boolean {
    return (this.#holds & (ALL_HOLDS << (direction * HOLD_BITS))) !== 0
  }

  /**
   * Downstream gets what is queued and FIN; its further bytes are read and discarded, because closing a socket
   * with unread bytes sends RST, which would destroy an answer that the client has not read yet.
   */
  #drain(reason: CloseReason, detail: string): void {
    this.#state = 'draining'
    this.#reason = reason
    this.#detail = detail
    this.#parser?.close()
    this.downstream.shutdown()
    this.#holds &= ~(ALL_HOLDS << (ORIGINAL * HOLD_BITS))
    this.downstream.resume()
    this.#arm('drain', this.#limits.drainMs)
  }

  #discard(bytes: number): void {
    this.#drainedBytes += bytes
    if (this.#drainedBytes <= this.#limits.drainMaxBytes) return
    this.downstream.close()
    this.#conclude(this.#reason, this.#detail)
  }

  #closeIfDone(): void {
    if (this.#state === 'closed') return
    const { downstream, upstream } = this
    if (!downstream.isEnded || !downstream.isShutdown) return
    if (this.#state === 'open' && !(upstream.isEnded && upstream.isShutdown)) return
    downstream.close()
    upstream.close()
    this.#conclude(this.#reason, this.#detail)
  }

  #conclude(reason: CloseReason, detail: string): void {
    this.#state = 'closed'
    this.#wheel.clear(this.#timer)
    if (this.#parserTimer !== null) this.#wheel.clear(this.#parserTimer)
    this.#parser?.close()
    this.#onClosed(this, reason, detail)
  }

  #arm(purpose: TimerPurpose, delayMs: number): void {
    this.#timerPurpose = purpose
    this.#wheel.set(this.#timer, this.#clock.nowMs, delayMs)
  }

  /** Any other purpose comes first; each is shorter. */
  #watchHalfClosed(): void {
    if (this.#state !== 'open' || this.#timer.isSet) return
    if (!this.downstream.isEnded && !this.upstream.isEnded) return
    this.#arm('half-closed', this.#limits.halfClosedIdleMs)
  }

  #halfClosedTimeout(): void {
    const leftMs = this.#activeMs + this.#limits.halfClosedIdleMs - this.#clock.nowMs
    if (leftMs > 0) this.#arm('half-closed', leftMs)
    else this.abort('HALF_CLOSED_IDLE')
  }

  /** A deadline that moves later leaves the timer alone: it looks again when it fires. */
  #armParserTimer(deadlineMs: number): void {
    this.#parserTimer ??= new WheelTimer(this)
    if (this.#parserTimer.isSet && this.#parserTimerMs <= deadlineMs) return
    this.#parserTimerMs = deadlineMs
    this.#wheel.set(this.#parserTimer, this.#clock.nowMs, deadlineMs - this.#clock.nowMs)
  }

  #parserTimeout(): void {
    const parser = this.#parser
    if (parser === null || this.#state !== 'open') return
    const { deadlineMs } = parser
    if (deadlineMs === Number.POSITIVE_INFINITY) return
    if (deadlineMs > this.#clock.nowMs) this.#armParserTimer(deadlineMs)
    else parser.expire()
  }
}

/** Tells the pair which of its sockets an event belongs to. */
class Side implements SocketHandler {
  readonly #pair: Pair
  readonly #direction: FlowDirection
  #isConnected: boolean

  constructor(pair: Pair, direction: FlowDirection) {
    this.#pair = pair
    this.#direction = direction
    this.#isConnected = direction === ORIGINAL
  }

  onConnect(): void {
    this.#isConnected = true
    this.#pair.connected()
  }

  onData(buffer: Buffer, start: number, end: number): void {
    this.#pair.received(this.#direction, buffer, start, end)
  }

  onEnd(): void {
    this.#pair.ended(this.#direction)
  }

  onDrain(): void {
    this.#pair.drained(this.#direction)
  }

  onHangup(): void {
    this.#pair.hungUp(this.#direction)
  }

  onError(errno: string): void {
    this.#pair.broke(this.#direction, errno, !this.#isConnected)
  }
}

function opposite(direction: FlowDirection): FlowDirection {
  return direction === ORIGINAL ? REPLY : ORIGINAL
}

function resetReason(direction: FlowDirection): CloseReason {
  return direction === ORIGINAL ? 'DOWNSTREAM_RESET' : 'UPSTREAM_RESET'
}
