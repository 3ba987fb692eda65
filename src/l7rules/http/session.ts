// HTTP/1.x or HTTP/2 on one port: the client's first bytes tell (RFC 9113 §3.4), neither side is asked.
import { refusal } from '../http1/deny.ts'
import { HEAD_TIMEOUT_MS } from '../http1/limits.ts'
import { Http1Session, type Http1Options } from '../http1/session.ts'
import { PREFACE } from '../http2/frames.ts'
import { Http2Session } from '../http2/session.ts'
import { type FlowDirection, ORIGINAL, type ProtocolParser, REPLY } from '../parser.ts'

type Session = Http1Session | Http2Session

export class HttpSession implements ProtocolParser {
  private readonly options: Http1Options
  private session: Session | undefined
  /** First bytes that fit the preface of HTTP/2 and are too few to be it. */
  private begun: Buffer | undefined
  private deadline = Number.POSITIVE_INFINITY
  /** The server has spoken before anybody knows what the client speaks. */
  private isServerEarly = false
  private isDead = false

  constructor(options: Http1Options) {
    this.options = options
  }

  receive(direction: FlowDirection, buffer: Buffer, start: number, end: number, nowMs: number): void {
    if (this.isDead) return
    this.session ??= this.decide(direction, buffer, start, end, nowMs)
    this.session?.receive(direction, buffer, start, end, nowMs)
  }

  wants(direction: FlowDirection): boolean {
    if (this.isDead) return false
    if (this.session !== undefined) return this.session.wants(direction)
    return direction === ORIGINAL || !this.isServerEarly
  }

  end(direction: FlowDirection, nowMs: number): void {
    if (this.isDead) return
    if (this.session === undefined) this.giveUp(nowMs)
    this.session?.end(direction, nowMs)
  }

  close(nowMs: number): void {
    this.session?.close(nowMs)
  }

  get deadlineMs(): number {
    return this.session?.deadlineMs ?? (this.isDead ? Number.POSITIVE_INFINITY : this.deadline)
  }

  expire(nowMs: number): void {
    if (this.session !== undefined) return this.session.expire(nowMs)
    if (nowMs < this.deadline || this.isDead) return
    this.isDead = true
    this.options.steps.inject(REPLY, refusal('HTTP_HEAD_TIMEOUT', false))
    this.options.steps.error('HTTP_HEAD_TIMEOUT')
  }

  private decide(
    direction: FlowDirection,
    b: Buffer,
    start: number,
    end: number,
    nowMs: number,
  ): Session | undefined {
    if (direction === REPLY) {
      // A server of HTTP/2 may send its SETTINGS at once; their length begins with a zero. One of HTTP/1.x that
      // speaks first answers no request.
      if (b[start] !== 0) return new Http1Session(this.options)
      this.isServerEarly = true
      return undefined
    }
    const length = Math.min(PREFACE.length, end - start)
    if (PREFACE.compare(b, start, start + length, 0, length) !== 0) return new Http1Session(this.options)
    if (length === PREFACE.length) return new Http2Session(this.options)
    if (this.begun === undefined) this.deadline = nowMs + HEAD_TIMEOUT_MS
    this.begun = Buffer.from(b.subarray(start, end))
    return undefined
  }

  /** No more comes: what began like either of both is a head of HTTP/1.x that was cut off. */
  private giveUp(nowMs: number): void {
    const session = new Http1Session(this.options)
    this.session = session
    if (this.begun !== undefined) session.receive(ORIGINAL, this.begun, 0, this.begun.length, nowMs)
  }
}
