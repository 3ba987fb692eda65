// The client's side of a connection: a request is held until all that it touches is known and judged; then its rest
// streams through, or is dropped and answered, or what is denied in it is cut out.
//
// Record sets stand between the names of a Produce: docs/adr says what is done above the limit of what may be held.
import { ORIGINAL } from '../parser.ts'
import { answer } from './answer.ts'
import { findApi, HEADER_ONLY, PRODUCE, SASL_HANDSHAKE, SHARE_FETCH } from './api.ts'
import type { KafkaCode } from './codes.ts'
import type { KafkaConnection } from './connection.ts'
import { AWAITED, BROKEN, CLOSING, DENIED, Slot, TOKEN } from './exchange.ts'
import { canCut, cuts, type CutArray, editOf, patches } from './forwarding.ts'
import { Judging } from './judging.ts'
import { JUDGE_TIMEOUT_MS, MAX_HELD_BYTES, MAX_REQUEST_BYTES } from './limits.ts'
import { extrasFor, ownAnswer } from './own-answers.ts'
import { rewrite } from './rewrite.ts'
import { COUNT, DONE, ELEMENT, FAILED, MORE, ROLE, TOLD, Walker } from './walker.ts'

const LENGTH_BYTES = 4
/** Length, API key, version, correlation id: all that is read before the format is known. */
const FIXED_BYTES = 12
/** ContentType handshake, and the major version of all TLS. */
const TLS_HANDSHAKE = 0x16
const TLS_MAJOR_VERSION = 3

// What the next byte belongs to.
const HEAD = 0
/** A request that is read. */
const READ = 1
/** The rest of a request, or all of one that nobody has to read. */
const REST = 2
/** Nothing: a refusal waits for its turn, or the client has ended. */
const STUCK = 3

// What becomes of the bytes of a request.
const HOLD = 0
const FORWARD = 1
const SWALLOW = 2

/** The request under way. */
interface Current {
  readonly slot: Slot
  readonly walker: Walker
  readonly judging: Judging
  /** Of the frame, with its length. */
  readonly bytes: number
  array: CutArray
  /** It is answered here, although no rule denies it. */
  answer: Buffer | undefined
  /** All that it touches is known. */
  isTold: boolean
  isQueued: boolean
}

export class Requests {
  readonly #connection: KafkaConnection
  #state: typeof HEAD | typeof READ | typeof REST | typeof STUCK = HEAD
  #fate: typeof HOLD | typeof FORWARD | typeof SWALLOW = HOLD
  #isFirst = true
  #current: Current | undefined
  /** Of a REST. */
  #rest = 0
  /** Bytes of a READ that were passed or dropped. */
  #consumed = 0
  /** When what the request touches must be known. */
  #deadlineMs = Number.POSITIVE_INFINITY
  /** More bytes are needed. */
  #isStarved = false

  constructor(connection: KafkaConnection) {
    this.#connection = connection
  }

  get wants(): boolean {
    return this.#state !== STUCK && !(this.#state === HEAD && this.#connection.isBlocked)
  }

  get deadlineMs(): number {
    return this.#state === STUCK ? Number.POSITIVE_INFINITY : this.#deadlineMs
  }

  read(b: Buffer, start: number, end: number): void {
    const connection = this.#connection
    let i = start
    this.#isStarved = false
    while (i < end && this.#canGoOn) {
      if (this.#state === HEAD) this.#head(b, i, end)
      else if (this.#state === READ) i = this.#readOn(b, i, end)
      else i = this.#restOn(i, end)
    }
    if (i < end && connection.isClosed) connection.options.steps.drop(ORIGINAL, end - i)
  }

  get #canGoOn(): boolean {
    const { isDead, isClosed } = this.#connection
    return !this.#isStarved && this.wants && !isDead && !isClosed
  }

  /** FIN of the client. */
  end(): void {
    this.#lose('KAFKA_REQUEST_TRUNCATED')
    this.#state = STUCK
  }

  /** The connection is over. */
  close(): void {
    this.#lose('KAFKA_CONNECTION_LOST')
  }

  expire(): void {
    this.#refuse('KAFKA_REQUEST_TIMEOUT')
  }

  /** Record what nobody will answer any more. */
  #lose(code: KafkaCode): void {
    const current = this.#current
    this.#current = undefined
    if (current === undefined || current.isQueued || this.#state === STUCK) return
    current.slot.record.error = code
    this.#connection.report(current.slot)
  }

  // === the beginning of a frame ===

  #head(b: Buffer, start: number, end: number): void {
    const connection = this.#connection
    const available = end - start
    if (this.#deadlineMs === Number.POSITIVE_INFINITY) this.#deadlineMs = connection.nowMs + JUDGE_TIMEOUT_MS
    if (this.#isFirst && available >= 2 && b[start] === TLS_HANDSHAKE && b[start + 1] === TLS_MAJOR_VERSION) {
      return this.#refuse('KAFKA_TLS_CLIENT_HELLO')
    }
    if (available < LENGTH_BYTES) return this.#starve()
    const length = b.readInt32BE(start)
    if (length > MAX_REQUEST_BYTES) return this.#refuse('KAFKA_REQUEST_TOO_LARGE')
    if (connection.tokens !== undefined) {
      const firstByte = available > LENGTH_BYTES ? b[start + LENGTH_BYTES] : undefined
      const isToken = length < 0 ? false : connection.tokens.isToken(length, firstByte)
      if (isToken === undefined) return this.#starve()
      if (isToken) return this.#token(LENGTH_BYTES + length)
      connection.endTokens()
    }
    if (length < FIXED_BYTES - LENGTH_BYTES) return this.#refuse('KAFKA_BAD_LENGTH')
    if (available < FIXED_BYTES) return this.#starve()
    this.#isFirst = false
    this.#begin(
      b.readInt16BE(start + 4),
      b.readInt16BE(start + 6),
      b.readInt32BE(start + 8),
      LENGTH_BYTES + length,
    )
  }

  #begin(apiKey: number, apiVersion: number, correlationId: number, bytes: number): void {
    const { options, nowMs, observes } = this.#connection
    const slot = new Slot({ apiKey, apiVersion, clientId: '' }, correlationId, nowMs)
    slot.api = findApi(apiKey, apiVersion)
    slot.record.requestBytes = bytes
    const program = slot.api?.request ?? HEADER_ONLY
    this.#current = {
      slot,
      walker: new Walker(program, FIXED_BYTES, bytes - FIXED_BYTES, slot.api?.cut),
      judging: new Judging(options, slot),
      bytes,
      array: NO_ARRAY,
      answer: undefined,
      isTold: false,
      isQueued: false,
    }
    this.#consumed = 0
    this.#fate = observes ? FORWARD : HOLD
    this.#state = READ
  }

  /** Part of an authentication in the old form. */
  #token(bytes: number): void {
    const connection = this.#connection
    const slot = new Slot({ apiKey: SASL_HANDSHAKE, apiVersion: 0, clientId: '' }, 0, connection.nowMs)
    slot.kind = TOKEN
    slot.isRequestDone = true
    connection.push(slot)
    connection.tokens?.take()
    if (connection.tokens?.isOver === true) connection.tokens = undefined
    this.#fate = FORWARD
    this.#rest = bytes
    this.#state = REST
    this.#deadlineMs = Number.POSITIVE_INFINITY
  }

  // === reading ===

  /** @returns the position up to which bytes were consumed. */
  #readOn(b: Buffer, start: number, end: number): number {
    const current = this.#current!
    const { walker, bytes } = current
    const base = start - this.#consumed
    while (this.#state === READ) {
      // How much is looked at before a request is let go or given up must not depend on how it comes in.
      const limit = this.#fate === HOLD ? Math.min(bytes, MAX_HELD_BYTES) : bytes
      const outcome = walker.advance(b, base + walker.offset, Math.min(end, base + limit))
      if (outcome !== MORE) this.#event(current, outcome)
      else if (this.#fate === HOLD && limit < bytes && end >= base + limit) this.#overflow(current)
      else {
        this.#flush(current)
        this.#isStarved = true
        break
      }
    }
    return base + this.#consumed
  }

  /** What was read goes its way. */
  #flush({ walker }: Current): void {
    const bytes = walker.offset - this.#consumed
    if (this.#fate === HOLD || bytes <= 0) return
    this.#consumed += bytes
    this.#send(bytes)
  }

  #send(bytes: number): void {
    const { steps } = this.#connection.options
    if (this.#fate === FORWARD) steps.pass(ORIGINAL, bytes)
    else steps.drop(ORIGINAL, bytes)
  }

  #event(current: Current, outcome: number): void {
    const { walker, slot, judging } = current
    switch (outcome) {
      case FAILED:
        this.#flush(current)
        return this.#refuse(walker.code)
      case COUNT:
        current.array = { count: walker.count, countAt: walker.countAt, countEnd: walker.countEnd, spans: [] }
        return
      case ELEMENT:
        current.array.spans.push([walker.elementStart, walker.offset])
        return
      case ROLE:
        if (slot.api !== undefined) judging.named(slot.api, walker.root)
        if (this.#fate === FORWARD && !judging.denials.isEmpty) this.#breakOff(current)
        return
      case TOLD:
        return this.#told(current)
      case DONE:
        return this.#done(current)
    }
  }

  /** All that the request touches is known. */
  #told(current: Current): void {
    const { walker, slot, judging } = current
    const connection = this.#connection
    this.#toldClient(current)
    current.isTold = true
    const refusal = judging.all(walker.root)
    if (connection.observes) return this.#goOn(current)
    if (this.#fate === SWALLOW) return
    if (refusal !== '') return this.#refuse(refusal)
    current.answer = ownAnswer(slot, walker.root, connection)
    if (current.answer !== undefined) this.#fate = SWALLOW
    else if (judging.denials.isEmpty) this.#goOn(current)
    else if (this.#fate === FORWARD) this.#breakOff(current)
    else if (!canCut(slot, walker.root, judging.denials, connection)) this.#fate = SWALLOW
  }

  #toldClient({ walker, slot: { record } }: Current): void {
    const { clientId } = walker.root
    record.request = { ...record.request, clientId: typeof clientId === 'string' ? clientId : '' }
    this.#deadlineMs = Number.POSITIVE_INFINITY
  }

  /** The request is allowed: what was read of it passes, and then the rest. */
  #goOn(current: Current): void {
    const { walker, slot, bytes } = current
    const connection = this.#connection
    slot.edit = editOf(slot, walker.root, connection)
    this.#remember(current)
    connection.isGated = slot.edit?.onRead !== undefined
    this.#queue(current)
    if (this.#fate === HOLD) {
      rewrite(connection.options.steps, walker.offset, patches(slot, walker.root, walker.marks, connection))
      this.#consumed = walker.offset
      this.#fate = FORWARD
    } else this.#flush(current)
    this.#rest = bytes - this.#consumed
    this.#state = REST
    if (this.#rest === 0) this.#complete(current)
  }

  /** Not all of the request is known where no more may be held, or not all of one that has to be cut is there. */
  #overflow(current: Current): void {
    const { walker, slot, judging } = current
    if (current.isTold) {
      this.#fate = SWALLOW
      return
    }
    if (slot.api === undefined || slot.record.request.apiKey !== PRODUCE)
      return this.#refuse('KAFKA_HELD_TOO_LARGE')
    this.#toldClient(current)
    walker.reportsRoles = true
    judging.named(slot.api, walker.root)
    this.#fate = judging.denials.isEmpty ? FORWARD : SWALLOW
    if (this.#fate === FORWARD) this.#queue(current)
  }

  /** A topic is denied after the beginning of its request has passed: the broker never gets the end. */
  #breakOff(current: Current): void {
    this.#flush(current)
    this.#fate = SWALLOW
    current.slot.kind = BROKEN
    current.slot.record.error = 'KAFKA_LATE_DENIAL'
  }

  // === the end of a frame ===

  #done(current: Current): void {
    if (this.#fate === HOLD) this.#cut(current)
    else {
      this.#flush(current)
      if (this.#fate === SWALLOW) this.#answer(current)
    }
    this.#complete(current)
  }

  /** What is denied is taken out, and shown as denied in the answer. */
  #cut(current: Current): void {
    const { walker, slot, judging, array, bytes } = current
    const connection = this.#connection
    const { denials } = judging
    slot.record.errorCode = denials.first
    slot.edit = editOf(slot, walker.root, connection, denials)
    this.#remember(current)
    const before = patches(slot, walker.root, walker.marks, connection)
    rewrite(connection.options.steps, bytes, cuts(slot.api!, denials, array, before, bytes))
    this.#consumed = bytes
    if (isMute(current)) slot.kind = CLOSING
    this.#queue(current)
  }

  /** What later requests will mean by what this one names. */
  #remember({ walker, slot, judging }: Current): void {
    if (slot.record.request.apiKey !== SHARE_FETCH) return
    const { elements } = judging.denials
    this.#connection.shareSessions.forward(walker.root, (index) => elements.has(index))
  }

  /** The request was swallowed. */
  #answer(current: Current): void {
    const { walker, slot, judging } = current
    const { record, api } = slot
    const { options } = this.#connection
    if (record.errorCode === 0) record.errorCode = judging.denials.first
    if (isMute(current)) {
      if (slot.kind === AWAITED) slot.kind = CLOSING
    } else {
      const bytes =
        current.answer ??
        (api === undefined
          ? undefined
          : answer(api, record.correlationId, walker.root, judging.denials, extrasFor(slot, options)))
      this.#connection.setAnswer(slot, bytes)
      if (slot.kind === AWAITED) slot.kind = bytes === undefined ? BROKEN : DENIED
      if (bytes === undefined) record.error = 'KAFKA_NO_DENIAL'
    }
    this.#queue(current)
  }

  #queue(current: Current): void {
    if (current.isQueued) return
    current.isQueued = true
    if (current.slot.kind !== AWAITED || !isMute(current)) this.#connection.push(current.slot)
  }

  /** @returns the position behind what was consumed. */
  #restOn(start: number, end: number): number {
    const bytes = Math.min(this.#rest, end - start)
    this.#send(bytes)
    this.#rest -= bytes
    if (this.#rest > 0) return start + bytes
    if (this.#current === undefined) this.#state = HEAD
    else this.#complete(this.#current)
    return start + bytes
  }

  #complete(current: Current): void {
    const { slot } = current
    slot.isRequestDone = true
    this.#current = undefined
    this.#state = slot.kind === BROKEN || slot.kind === CLOSING ? STUCK : HEAD
    if (slot.kind === AWAITED && isMute(current)) this.#connection.report(slot)
    this.#connection.takeTurns()
  }

  /** Nobody can judge the request: in its turn the connection ends. */
  #refuse(code: KafkaCode): void {
    const connection = this.#connection
    const current = this.#current
    const slot = current?.slot ?? new Slot(NO_REQUEST, 0, connection.nowMs)
    slot.kind = BROKEN
    slot.record.error = code
    slot.isRequestDone = true
    if (current?.isQueued !== true) connection.push(slot)
    this.#current = undefined
    this.#state = STUCK
    connection.takeTurns()
  }

  #starve(): void {
    this.#isStarved = true
  }
}

/** Of bytes that are none. */
const NO_REQUEST = { apiKey: -1, apiVersion: -1, clientId: '' }
const NO_ARRAY: CutArray = { count: 0, countAt: 0, countEnd: 0, spans: [] }

/** The client wants no answer, and gets none. */
function isMute({ slot, walker }: Current): boolean {
  return slot.record.request.apiKey === PRODUCE && walker.root['acks'] === 0
}
