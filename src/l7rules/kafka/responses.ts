// The broker's side of a connection: answers are framed, their correlation ids compared with the requests whose turn it
// is, and those that would show what is denied are edited. Nearly all pass unread.
import { REPLY } from '../parser.ts'
import { ByteWriter } from './byte-writer.ts'
import { UNSUPPORTED_VERSION } from './codes.ts'
import type { KafkaConnection } from './connection.ts'
import { type Edit, loweredVersion, shownBy } from './edit.ts'
import { AWAITED, type Slot, TOKEN } from './exchange.ts'
import { MAX_FILTERED_BYTES } from './limits.ts'
import { COUNT, DONE, ELEMENT, FAILED, MORE, Walker } from './walker.ts'

const LENGTH_BYTES = 4
const HEAD_BYTES = 8
/** Lengths of frames are signed. */
const MAX_INT32 = 0x7fff_ffff
/** Of the highest version, within an entry of ApiVersions: key and lowest version stand before it. */
const LOWERED_AT = 4

// What the next byte belongs to.
const HEAD = 0
/** An answer, or its rest, that passes unread. */
const PASS = 1
/** One that is read while it passes. */
const LOOK = 2
/** One that is read and copied, to be sent when it is known how long it will be. */
const COPY = 3

/** Where the count of an array stands in the copy. */
interface CopiedCount {
  readonly at: number
  readonly end: number
  count: number
  readonly isTop: boolean
}

export class Responses {
  readonly #connection: KafkaConnection
  #state: typeof HEAD | typeof PASS | typeof LOOK | typeof COPY = HEAD
  #rest = 0
  #slot: Slot | undefined
  #walker: Walker | undefined
  #copy = new ByteWriter(0)
  #counts: CopiedCount[] = []
  /** Bytes of the frame that are not in the copy any more. */
  #removed = 0

  constructor(connection: KafkaConnection) {
    this.#connection = connection
  }

  read(b: Buffer, start: number, end: number): void {
    const connection = this.#connection
    let i = start
    while (i < end && !connection.isDead && !connection.isClosed) {
      const next = this.#state === HEAD ? this.#head(b, i, end) : this.#body(b, i, end)
      if (next === i) return
      i = next
    }
    if (i < end && connection.isClosed) connection.options.steps.drop(REPLY, end - i)
  }

  /** @returns where reading goes on; `start` = more is needed, or it has failed. */
  #head(b: Buffer, start: number, end: number): number {
    const connection = this.#connection
    if (end - start < LENGTH_BYTES) return start
    const length = b.readInt32BE(start)
    const slot = this.#due()
    if (slot === undefined) {
      connection.fail('KAFKA_UNSOLICITED_RESPONSE')
      return start
    }
    const isToken = slot.kind === TOKEN
    if (length < (isToken ? 0 : HEAD_BYTES - LENGTH_BYTES)) {
      connection.fail('KAFKA_MALFORMED_RESPONSE')
      return start
    }
    const isApiVersions = slot.edit?.lowersVersions === true
    const needed = isToken ? LENGTH_BYTES : HEAD_BYTES + (isApiVersions && length >= 6 ? 2 : 0)
    if (end - start < needed) return start
    if (!isToken && b.readInt32BE(start + LENGTH_BYTES) !== slot.record.correlationId) {
      connection.fail('KAFKA_CORRELATION_MISMATCH')
      return start
    }
    slot.record.respondedMs = connection.nowMs
    slot.record.responseBytes = LENGTH_BYTES + length
    this.#slot = slot
    this.#rest = LENGTH_BYTES + length
    connection.isBetweenResponses = false
    if (slot.edit === undefined) this.#state = PASS
    else this.#startReading(slot.edit, needed > HEAD_BYTES ? b.readInt16BE(start + HEAD_BYTES) : 0)
    if (this.#state === PASS) return this.#pass(start, end)
    this.#take(b, start, start + HEAD_BYTES)
    return this.#readOn(b, start + HEAD_BYTES, end)
  }

  #due(): Slot | undefined {
    const slot = this.#connection.outstanding.first()
    if (slot === undefined || !slot.isRequestDone) return undefined
    return slot.kind === AWAITED || slot.kind === TOKEN ? slot : undefined
  }

  #startReading(edit: Edit, errorCode: number): void {
    // A broker that does not have the client's version of ApiVersions says so, and at most which ones it has, in the form
    // of version 0 or in one of its own (librdkafka's): the client asks again, and reads no other version from it.
    const isRefused = edit.lowersVersions === true && errorCode === UNSUPPORTED_VERSION
    const { api } = edit
    if (isRefused || api.response === undefined) {
      this.#state = PASS
      return
    }
    this.#walker = new Walker(api.response, HEAD_BYTES, this.#rest - HEAD_BYTES, edit.array)
    const isChanged = edit.elements !== undefined || edit.allows !== undefined || edit.lowersVersions === true
    this.#state = isChanged && !this.#connection.observes ? COPY : LOOK
    this.#copy = new ByteWriter()
    this.#counts = []
    this.#removed = 0
  }

  #body(b: Buffer, start: number, end: number): number {
    if (this.#connection.isDead) return start
    return this.#state === PASS ? this.#pass(start, end) : this.#readOn(b, start, end)
  }

  #pass(start: number, end: number): number {
    const bytes = Math.min(this.#rest, end - start)
    if (bytes > 0) this.#connection.options.steps.pass(REPLY, bytes)
    this.#rest -= bytes
    if (this.#rest === 0) this.#complete()
    return start + bytes
  }

  #complete(): void {
    const connection = this.#connection
    const slot = this.#slot!
    this.#state = HEAD
    this.#slot = undefined
    this.#walker = undefined
    this.#copy = new ByteWriter(0)
    connection.isBetweenResponses = true
    connection.settle(slot)
    connection.takeTurns()
  }

  /** @returns the position up to which bytes were consumed. */
  #readOn(b: Buffer, start: number, end: number): number {
    const connection = this.#connection
    const { edit } = this.#slot!
    const walker = this.#walker!
    let i = start
    for (;;) {
      const outcome = walker.advance(b, i, end)
      this.#take(b, i, walker.position)
      i = walker.position
      if (outcome === FAILED) return this.#unreadable(i, end)
      if (connection.isDead || edit === undefined || outcome === MORE) return i
      if (outcome === ELEMENT) this.#element(edit, walker)
      else if (outcome === DONE) {
        edit.onRead?.(walker.root)
        if (this.#state === COPY) this.#send(edit, 0)
        this.#complete()
        return i
      } else if (outcome === COUNT && this.#counted(edit, walker)) return this.#body(b, i, end)
    }
  }

  /** What is only looked at passes all the same: the client will see what it makes of it. */
  #unreadable(start: number, end: number): number {
    if (this.#state === COPY) {
      this.#connection.fail('KAFKA_MALFORMED_RESPONSE')
      return start
    }
    this.#state = PASS
    return this.#pass(start, end)
  }

  /** Bytes that were read pass, or are copied. */
  #take(b: Buffer, start: number, end: number): void {
    const bytes = end - start
    if (bytes === 0) return
    const { steps } = this.#connection.options
    this.#rest -= bytes
    if (this.#state === LOOK) return steps.pass(REPLY, bytes)
    steps.drop(REPLY, bytes)
    this.#copy.raw(b, start, end)
    if (this.#copy.length > MAX_FILTERED_BYTES) this.#connection.fail('KAFKA_RESPONSE_TOO_LARGE')
  }

  /** @returns whether the rest may pass as it comes, because its length is known. */
  #counted(edit: Edit, walker: Walker): boolean {
    if (this.#state !== COPY || edit.lowersVersions === true) return false
    const isTop = this.#counts.length === 0 && edit.array in walker.root
    const added = isTop ? (edit.elementCount ?? 0) : 0
    this.#counts.push({
      at: walker.countAt - this.#removed,
      end: walker.countEnd - this.#removed,
      count: added > 0 ? Math.max(0, walker.count) + added : walker.count,
      isTop,
    })
    if (edit.allows !== undefined) return false
    this.#send(edit, this.#rest)
    this.#state = edit.learn === undefined ? PASS : LOOK
    return true
  }

  #element(edit: Edit, walker: Walker): void {
    const { element } = walker
    if (typeof element !== 'object' || element === null || Array.isArray(element)) return
    edit.learn?.(element)
    if (this.#state !== COPY) return
    const at = walker.elementStart - this.#removed
    if (edit.lowersVersions === true) {
      const lowered = loweredVersion(element)
      if (lowered !== undefined) this.#copy.bytes.writeInt16BE(lowered, at + LOWERED_AT)
    }
    if (edit.allows === undefined) return
    const access = shownBy(edit, walker.path, element)
    if (access === undefined || edit.allows(access)) return
    this.#removed += this.#copy.length - at
    this.#copy.truncate(at)
    this.#counts.at(-1)!.count--
  }

  /** Fails where the length cannot be told. @param following bytes of the frame that come as they are. */
  #send(edit: Edit, following: number): void {
    const copy = this.#copy.bytes
    const out = new ByteWriter(copy.length + (edit.elements?.length ?? 0) + 16)
    let from = 0
    for (const { at, end, count, isTop } of this.#counts) {
      out.raw(copy, from, at)
      if (edit.api.isFlexible) out.varint(count + 1)
      else out.int(count, 4)
      if (isTop && edit.elements !== undefined) out.raw(edit.elements)
      from = end
    }
    out.raw(copy, from)
    const { bytes } = out
    const length = bytes.length + following - LENGTH_BYTES
    if (length > MAX_INT32) {
      this.#connection.fail('KAFKA_MALFORMED_RESPONSE')
      return
    }
    bytes.writeInt32BE(length, 0)
    this.#slot!.record.responseBytes = bytes.length + following
    this.#connection.options.steps.inject(REPLY, bytes)
  }
}
