// One HTTP/1.x connection: requests are framed, judged and forwarded or answered, responses framed, and
// every answer, the server's and ours, reaches the client in the order of its request.
//
// Decisions that the RFCs leave to us:
// - What is forwarded is what was judged. A path that is not in normal form is rewritten on the wire to the
//   normal form that the judge saw, and headers are edited as the verdict says; all other bytes pass as they came.
// - A denied request costs its own answer only: its body is swallowed and the connection goes on. It is
//   closed after the denial when the client asked for that, and after a denied `Expect: 100-continue`: whether
//   the body follows is then the client's choice (RFC 9110 §10.1.1), so the next byte has two meanings.
//   For the same reason the connection ends after the answer when a server answers a forwarded
//   `Expect: 100-continue` finally, without 100 and before the body is complete.
// - A denied CONNECT gets 405 and ends the connection: what its client sends next is meant for a tunnel.
// - After a request with `Connection: close` nothing more is looked at or forwarded (RFC 9112 §9.6); closing is
//   left to the server.
// - After a request that may turn the connection into a tunnel (Upgrade, CONNECT) nothing more is read until
//   the server decided. h2c is refused: its requests would escape judgement.
// - A request that cannot be parsed is answered in its turn and ends the connection. A response that cannot be
//   parsed is answered with 502 if nothing of it was passed; else the connection just ends.
// - An exchange is recorded when both its request and its response are complete, or the connection ends.
import { type EncodedSlash } from '../../lib/encoded-slash.ts'
import { ORIGINAL, type FlowDirection, type ProtocolParser, REPLY, type Steps } from '../parser.ts'
import { type Verdict } from '../verdict.ts'
import { ChunkedBody } from './body.ts'
import { HTTP_CODES, type HttpCode, responseCode } from './codes.ts'
import { CLOSE, denial, DENIED_STATUS, PERSIST, PERSIST_VERSION_10, refusal } from './deny.ts'
import { AWAITED, BROKEN, DENIED, Exchanges, MALFORMED, type Slot } from './exchanges.ts'
import { editHead } from './edit-head.ts'
import { FAILED, MORE } from './fields.ts'
import { HEAD_TIMEOUT_MS } from './limits.ts'
import { type HttpExchange, type HttpJudge } from './request.ts'
import { RequestHead } from './request-head.ts'
import { ResponseHead } from './response-head.ts'

export interface Http1Options {
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

// What the next byte of a direction belongs to.
const HEAD = 0
const LENGTH_BODY = 1
const CHUNKED_BODY = 2
/** Response only: the end of the connection ends the body. */
const CLOSE_BODY = 3
const TUNNEL = 4
/** Nothing: it is dropped. */
const DISCARD = 5
/** Request only: nothing is consumed any more, a refusal waits for its turn. */
const STUCK = 6

/** Stands for the body that has not come yet: most connections never see a chunk. Must not be fed. */
const NO_CHUNKS = new ChunkedBody()

export class Http1Session implements ProtocolParser {
  private readonly judge: HttpJudge
  private readonly onExchange: (exchange: HttpExchange) => void
  private readonly steps: Steps
  private readonly deniedBody: Uint8Array

  private readonly requestHead: RequestHead
  private readonly responseHead = new ResponseHead()
  private readonly exchanges = new Exchanges()
  private requestChunks = NO_CHUNKS
  private responseChunks = NO_CHUNKS

  private request = HEAD
  /** Of a LENGTH_BODY. */
  private requestRest = 0
  /** The body of the request is that of a denied one. */
  private isSwallowing = false
  /** A part of a head was looked at and retained. */
  private isWithinHead = false
  private headDeadlineMs = Number.POSITIVE_INFINITY
  /** A request that may turn the connection into a tunnel waits for its response. */
  private isGated = false
  /** A request was forwarded after which the connection carries no other (RFC 9112 §9.6). */
  private isLastForwarded = false

  private response = HEAD
  /** Of a LENGTH_BODY. */
  private responseRest = 0
  /** Something of the final response that is due was passed. */
  private isResponseBegun = false

  private isDead = false
  private isOriginalFinished = false
  private isReplyFinished = false

  constructor(options: Http1Options) {
    this.judge = options.judge
    this.onExchange = options.onExchange
    this.steps = options.steps
    this.deniedBody = options.deniedBody
    this.requestHead = new RequestHead(options.encodedSlash ?? 'keep')
  }

  receive(direction: FlowDirection, buffer: Buffer, start: number, end: number, nowMs: number): void {
    if (this.isDead) return
    if (direction === ORIGINAL) this.receiveOriginal(buffer, start, end, nowMs)
    else this.receiveReply(buffer, start, end, nowMs)
  }

  wants(direction: FlowDirection): boolean {
    if (this.isDead) return false
    if (direction === REPLY) return true
    return this.request !== STUCK && !(this.request === HEAD && this.isBlocked)
  }

  end(direction: FlowDirection, nowMs: number): void {
    if (this.isDead) return
    if (direction === ORIGINAL) this.endOriginal(nowMs)
    else this.endReply(nowMs)
  }

  close(nowMs: number): void {
    if (this.isDead) return
    this.isDead = true
    this.abandon('HTTP_CONNECTION_LOST', nowMs)
  }

  /** When the request head that is arriving must be complete; Infinity when none is. The caller looks after each call. */
  get deadlineMs(): number {
    return this.isWithinHead && !this.isDead ? this.headDeadlineMs : Number.POSITIVE_INFINITY
  }

  /** `deadlineMs` has passed: the client that drips its head gets 408 in its turn. */
  expire(nowMs: number): void {
    if (nowMs >= this.deadlineMs) this.giveUpHead('HTTP_HEAD_TIMEOUT', nowMs)
  }

  /** No further request may be looked at now. */
  private get isBlocked(): boolean {
    return this.isGated || this.exchanges.isFull
  }

  // === original direction ===

  private receiveOriginal(b: Buffer, start: number, end: number, nowMs: number): void {
    // What lies between `from` and `i` is to pass and was not handed over yet: one step for all of it.
    let from = start
    let i = start
    const wasWithinHead = this.isWithinHead
    this.isWithinHead = false
    while (i < end && this.request !== STUCK) {
      if (this.request !== HEAD) {
        const next = this.requestBody(b, i, end)
        if (this.isSwallowing) {
          if (i > from) this.steps.pass(ORIGINAL, i - from)
          if (next > i) this.steps.drop(ORIGINAL, next - i)
          from = next
        }
        i = next
        if (this.requestChunks.code !== '') {
          if (i > from) this.steps.pass(ORIGINAL, i - from)
          this.brokenBody(this.requestChunks.code, nowMs)
          return
        }
        this.completeRequest(nowMs)
        continue
      }
      if (this.isBlocked) break
      if (this.isLastForwarded) {
        this.discardRequests()
        continue
      }
      const length = this.requestHead.parse(b, i, end)
      if (length === MORE) {
        if (!wasWithinHead || i > start) this.headDeadlineMs = nowMs + HEAD_TIMEOUT_MS
        this.isWithinHead = true
        break
      }
      if (length === FAILED) {
        if (i > from) this.steps.pass(ORIGINAL, i - from)
        this.malformed(nowMs)
        return
      }
      const verdict = this.judgeRequest(b, i, length, nowMs)
      const changed = this.changedHead(b, i, length, verdict)
      if (!verdict.allowed || changed !== undefined) {
        if (i > from) this.steps.pass(ORIGINAL, i - from)
        this.steps.drop(ORIGINAL, length)
        from = i + length
        if (!verdict.allowed) this.takeTurns(nowMs)
        else this.steps.inject(ORIGINAL, changed!)
      }
      i += length
      this.completeRequest(nowMs)
    }
    if (i > from) this.steps.pass(ORIGINAL, i - from)
  }

  /** Queues the exchange, whatever the verdict. */
  private judgeRequest(b: Buffer, start: number, length: number, nowMs: number): Verdict {
    const head = this.requestHead
    head.show(b, start)
    const verdict = this.judge(head)
    head.hide()
    const slot = this.queue(nowMs)
    slot.record.verdict = verdict
    slot.record.requestBytes = length
    slot.kind = verdict.allowed ? AWAITED : DENIED
    slot.asksUpgrade = head.asksUpgrade
    const isChunked = head.isChunked
    const hasBody = isChunked || head.contentLength > 0
    slot.isRequestDone = !hasBody
    slot.expectsContinue = hasBody && head.expectsContinue
    if (verdict.allowed) {
      this.isGated = slot.asksUpgrade || slot.isConnect
      this.isLastForwarded = head.closes
    } else if (slot.isConnect) {
      slot.kind = BROKEN
      slot.record.error = 'HTTP_CONNECT_NOT_ALLOWED'
      this.request = STUCK
      return verdict
    } else if (head.closes || slot.expectsContinue) {
      slot.closes = true
      slot.isRequestDone = true
      this.discardRequests()
      return verdict
    }
    if (!hasBody) return verdict
    this.isSwallowing = !verdict.allowed
    if (isChunked) {
      this.request = CHUNKED_BODY
      this.requestChunks = begun(this.requestChunks)
    } else {
      this.request = LENGTH_BODY
      this.requestRest = head.contentLength
    }
    return verdict
  }

  /** The head to forward instead of the one that came; undefined: that one. */
  private changedHead(b: Buffer, start: number, length: number, verdict: Verdict): Buffer | undefined {
    const { rewritten } = this.requestHead
    if (verdict.edits === undefined) return rewritten
    return editHead(rewritten ?? b.subarray(start, start + length), verdict.edits)
  }

  /** A slot for the request in `requestHead`. */
  private queue(nowMs: number): Slot {
    const head = this.requestHead
    const slot = this.exchanges.push()
    const record = slot.record
    record.method = head.method
    record.path = head.path
    record.host = head.host
    record.protocol = head.isVersion10 ? 'HTTP/1.0' : 'HTTP/1.1'
    record.status = 0
    record.error = ''
    record.responseBytes = 0
    record.startedMs = nowMs
    record.respondedMs = 0
    slot.isHead = head.method === 'HEAD'
    slot.isConnect = head.isConnect
    slot.isVersion10 = head.isVersion10
    slot.closes = false
    slot.isResponseDone = false
    return slot
  }

  private malformed(nowMs: number): void {
    const head = this.requestHead
    const slot = this.queue(nowMs)
    slot.record.verdict = MALFORMED
    slot.record.requestBytes = head.failedAt
    this.refuseInTurn(slot, head.code, nowMs)
  }

  private giveUpHead(code: HttpCode, nowMs: number): void {
    this.isWithinHead = false
    this.requestHead.giveUp(code)
    this.malformed(nowMs)
  }

  /** @returns the position up to which the bytes belong to the body. */
  private requestBody(b: Buffer, start: number, end: number): number {
    let next = end
    if (this.request === LENGTH_BODY) {
      next = Math.min(end, start + this.requestRest)
      this.requestRest -= next - start
    } else if (this.request === CHUNKED_BODY) next = this.requestChunks.advance(b, start, end)
    if (this.request !== DISCARD) this.exchanges.last().record.requestBytes += next - start
    return next
  }

  private completeRequest(nowMs: number): void {
    if (this.request === LENGTH_BODY) {
      if (this.requestRest > 0) return
    } else if (this.request !== CHUNKED_BODY || !this.requestChunks.isDone) return
    this.request = HEAD
    this.isSwallowing = false
    const slot = this.exchanges.last()
    slot.isRequestDone = true
    if (slot.isResponseDone) this.settle(nowMs)
  }

  /** The body of the latest request cannot be parsed; its head, and a part of it, may have been passed. */
  private brokenBody(code: HttpCode, nowMs: number): void {
    const slot = this.exchanges.last()
    const isAnswered = slot.isResponseDone || (this.isResponseBegun && slot === this.exchanges.first())
    if (isAnswered) this.fail(code, nowMs)
    else if (slot.kind === AWAITED) this.refuseInTurn(slot, code, nowMs)
    else {
      // The denial is still to come; it closes, see takeTurns.
      slot.record.error = code
      this.request = STUCK
    }
  }

  private refuseInTurn(slot: Slot, code: HttpCode, nowMs: number): void {
    slot.kind = BROKEN
    slot.record.error = code
    this.request = STUCK
    this.takeTurns(nowMs)
  }

  private endOriginal(nowMs: number): void {
    if (this.isWithinHead) {
      this.giveUpHead('HTTP_HEAD_TRUNCATED', nowMs)
      return
    }
    if (this.request === STUCK) return
    this.finish(ORIGINAL)
    if (this.request === TUNNEL) {
      if (this.isReplyFinished) this.settle(nowMs)
    } else if (this.request === LENGTH_BODY || this.request === CHUNKED_BODY) {
      this.discardRequests()
      const slot = this.exchanges.last()
      slot.isRequestDone = true
      // Upstream sees the FIN where the client sent it and can tell that the body is not complete.
      if (slot.kind === AWAITED) slot.record.error = 'HTTP_BODY_TRUNCATED'
      if (slot.isResponseDone) this.settle(nowMs)
    }
  }

  private discardRequests(): void {
    this.request = DISCARD
    // A head that was begun gets no answer any more, not even for its end or its deadline.
    this.isWithinHead = false
    this.isSwallowing = true
  }

  // === reply direction ===

  private receiveReply(b: Buffer, start: number, end: number, nowMs: number): void {
    let from = start
    let i = start
    while (i < end && this.response !== DISCARD) {
      if (this.response === HEAD) {
        if (this.exchanges.count === 0 || this.exchanges.first().isResponseDone) {
          if (i > from) this.steps.pass(REPLY, i - from)
          this.fail('HTTP_UNSOLICITED_RESPONSE', nowMs)
          return
        }
        const length = this.responseHead.parse(b, i, end)
        if (length === MORE) break
        const code = length === FAILED ? this.responseHead.code : this.beginResponse(length, nowMs)
        if (code !== undefined) {
          if (i > from) this.steps.pass(REPLY, i - from)
          this.badGateway(code, nowMs)
          return
        }
        i += length
      } else {
        i = this.responseBody(b, i, end)
        if (this.responseChunks.code !== '') {
          if (i > from) this.steps.pass(REPLY, i - from)
          this.fail(responseCode(this.responseChunks.code), nowMs)
          return
        }
      }
      if (!this.isResponseComplete()) continue
      if (this.completeResponse(nowMs)) {
        // Something of ours follows, or the end.
        this.steps.pass(REPLY, i - from)
        from = i
        this.followResponse(nowMs)
        if (this.isDead) return
      }
    }
    if (i > from) this.steps.pass(REPLY, i - from)
    if (i < end && this.response === DISCARD) this.steps.drop(REPLY, end - i)
  }

  /** Decide what follows the head that was just parsed (RFC 9112 §6.3). */
  private beginResponse(length: number, nowMs: number): HttpCode | undefined {
    const head = this.responseHead
    const slot = this.exchanges.first()
    const status = head.status
    if (status === 101) {
      // A server must not switch before it has the whole request (RFC 9110 §7.8).
      if (!slot.asksUpgrade || !slot.isRequestDone) return 'HTTP_UNEXPECTED_UPGRADE'
      this.openTunnel(slot, status, nowMs)
    } else if (status < 200) {
      if (status === 100) slot.expectsContinue = false
    } else if (slot.isConnect && status < 300) this.openTunnel(slot, status, nowMs)
    else {
      slot.record.status = status
      slot.record.respondedMs = nowMs
      this.isResponseBegun = true
      if (slot.asksUpgrade || slot.isConnect) this.isGated = false
      this.responseRest = 0
      if (slot.isHead || status === 204 || status === 304) this.response = LENGTH_BODY
      else if (head.isChunked) {
        this.response = CHUNKED_BODY
        this.responseChunks = begun(this.responseChunks)
      } else if (head.contentLength >= 0) {
        this.response = LENGTH_BODY
        this.responseRest = head.contentLength
      } else this.response = CLOSE_BODY
    }
    slot.record.responseBytes += length
    return undefined
  }

  private openTunnel(slot: Slot, status: number, nowMs: number): void {
    slot.record.status = status
    slot.record.respondedMs = nowMs
    this.isResponseBegun = true
    this.isGated = false
    this.request = TUNNEL
    this.response = TUNNEL
  }

  /** @returns the position up to which the bytes belong to the body. */
  private responseBody(b: Buffer, start: number, end: number): number {
    let next = end
    if (this.response === LENGTH_BODY) {
      next = Math.min(end, start + this.responseRest)
      this.responseRest -= next - start
    } else if (this.response === CHUNKED_BODY) next = this.responseChunks.advance(b, start, end)
    this.exchanges.first().record.responseBytes += next - start
    return next
  }

  private isResponseComplete(): boolean {
    if (this.response === LENGTH_BODY) return this.responseRest === 0
    return this.response === CHUNKED_BODY && this.responseChunks.isDone
  }

  /** @returns whether more than the next response of upstream follows. */
  private completeResponse(nowMs: number): boolean {
    const slot = this.exchanges.first()
    slot.isResponseDone = true
    this.response = HEAD
    this.isResponseBegun = false
    if (!slot.isRequestDone) return slot.expectsContinue
    this.settle(nowMs)
    return this.exchanges.count > 0 && this.exchanges.first().kind !== AWAITED
  }

  private followResponse(nowMs: number): void {
    const slot = this.exchanges.first()
    if (slot.isResponseDone) this.closeBoth('HTTP_CONNECTION_LOST', nowMs)
    else this.takeTurns(nowMs)
  }

  /** The response that is due cannot be used; nothing of it was passed. */
  private badGateway(code: HttpCode, nowMs: number): void {
    this.refuse(this.exchanges.first(), code, nowMs)
  }

  private endReply(nowMs: number): void {
    if (this.response === TUNNEL) {
      this.finish(REPLY)
      if (this.isOriginalFinished) this.settle(nowMs)
      return
    }
    if (this.response === CLOSE_BODY) this.exchanges.first().isResponseDone = true
    if (this.request === STUCK) {
      const code = this.exchanges.last().record.error as HttpCode
      this.abandon('HTTP_UPSTREAM_CLOSED', nowMs)
      this.fail(code, nowMs)
      return
    }
    // Nothing can follow: a body up to the end of the connection was the last, and an answer of ours after
    // a response that is missing or cut short would be taken for it. Denials whose turn it was were sent.
    this.closeBoth('HTTP_UPSTREAM_CLOSED', nowMs)
  }

  // === both ===

  /** Send what is due and ours, up to the next request that upstream has to answer. */
  private takeTurns(nowMs: number): void {
    while (this.exchanges.count > 0) {
      const slot = this.exchanges.first()
      if (slot.kind === AWAITED || slot.isResponseDone) return
      if (slot.kind === BROKEN) {
        this.refuse(slot, slot.record.error as HttpCode, nowMs)
        return
      }
      this.deny(slot, nowMs)
      if (slot.record.error !== '') {
        this.fail(slot.record.error as HttpCode, nowMs)
        return
      }
      if (slot.closes) {
        this.closeBoth('HTTP_CONNECTION_LOST', nowMs)
        return
      }
      if (!slot.isRequestDone) return
      this.settle(nowMs)
    }
  }

  private deny(slot: Slot, nowMs: number): void {
    const isLast = slot.closes || slot.record.error !== ''
    const persistence = isLast ? CLOSE : slot.isVersion10 ? PERSIST_VERSION_10 : PERSIST
    const response = denial(this.deniedBody, persistence, slot.isHead)
    slot.record.status = DENIED_STATUS
    slot.record.respondedMs = nowMs
    slot.record.responseBytes = response.length
    slot.isResponseDone = true
    this.steps.inject(REPLY, response)
  }

  private refuse(slot: Slot, code: HttpCode, nowMs: number): void {
    const response = refusal(code, slot.isHead)
    slot.record.status = HTTP_CODES[code].status
    slot.record.respondedMs = nowMs
    slot.record.responseBytes += response.length
    slot.record.error = code
    this.steps.inject(REPLY, response)
    this.fail(code, nowMs)
  }

  /** The first exchange is over. */
  private settle(nowMs: number): void {
    const { record } = this.exchanges.first()
    record.endedMs = nowMs
    this.onExchange(record)
    this.exchanges.shift()
  }

  /** No exchange goes on: record them all, with `code` where an answer is missing. */
  private abandon(code: HttpCode, nowMs: number): void {
    while (this.exchanges.count > 0) {
      const slot = this.exchanges.first()
      const isTunnel = this.response === TUNNEL
      if (!slot.isResponseDone && !isTunnel && slot.record.error === '') slot.record.error = code
      this.settle(nowMs)
    }
  }

  private fail(code: HttpCode, nowMs: number): void {
    this.isDead = true
    this.abandon(code, nowMs)
    this.steps.error(code)
  }

  /** An orderly end of an HTTP connection, in both directions: whatever still comes is dropped. */
  private closeBoth(code: HttpCode, nowMs: number): void {
    this.abandon(code, nowMs)
    this.discardRequests()
    this.response = DISCARD
    this.finish(REPLY)
    this.finish(ORIGINAL)
  }

  private finish(direction: FlowDirection): void {
    if (direction === ORIGINAL) {
      if (this.isOriginalFinished) return
      this.isOriginalFinished = true
    } else {
      if (this.isReplyFinished) return
      this.isReplyFinished = true
    }
    this.steps.finish(direction)
  }
}

function begun(chunks: ChunkedBody): ChunkedBody {
  if (chunks === NO_CHUNKS) return new ChunkedBody()
  chunks.reset()
  return chunks
}
