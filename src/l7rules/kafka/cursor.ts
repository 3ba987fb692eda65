// Reads the scalars of one frame from pieces of any size. What is not there completely is not consumed.
import type { KafkaCode } from './codes.ts'
import { MAX_NAME_BYTES } from './limits.ts'
import type { Op } from './schema.ts'

export class Cursor {
  /** Position in the present buffer up to which everything was read. */
  position = 0
  /** The same, from the beginning of the frame on. */
  offset: number
  /** Bytes of the frame behind it. */
  left: number
  /** Why reading cannot go on; '' = it can, maybe when more has come. */
  code: KafkaCode | '' = ''

  #b: Buffer = Buffer.alloc(0)
  #end = 0

  constructor(offset: number, left: number) {
    this.offset = offset
    this.left = left
  }

  /** `b[start, end)` begins with the first byte that was not read, and is not kept past the work on it. */
  offer(b: Buffer, start: number, end: number): void {
    this.#b = b
    this.position = start
    this.#end = Math.min(end, start + this.left)
  }

  get available(): number {
    return this.#end - this.position
  }

  consume(bytes: number): void {
    this.position += bytes
    this.offset += bytes
    this.left -= bytes
  }

  /** For what follows. @returns undefined */
  fail(code: KafkaCode): undefined {
    if (this.code === '') this.code = code
    return undefined
  }

  // Each returns undefined when bytes are missing, or when `code` says so.

  scalar(op: Op): string | number | null | undefined {
    if (op.bytes < 0) return this.#string(op)
    const { position } = this
    if (!this.#take(op.bytes)) return undefined
    switch (op.type) {
      case 'i8':
      case 'bool':
        return this.#b.readInt8(position)
      case 'i16':
      case 'err':
        return this.#b.readInt16BE(position)
      case 'u16':
        return this.#b.readUInt16BE(position)
      case 'i32':
        return this.#b.readInt32BE(position)
      case 'uuid':
        return this.#b.toString('hex', position, position + 16)
      case 'i64':
      case 'f64':
      case 'str':
      case 'bytes':
      case 'rec':
      case 'struct':
        // Nobody asks for their values.
        return null
    }
  }

  /** Of a string or bytes; -1 = null. */
  length(op: Op): number | undefined {
    const length = op.isCompact ? this.#lessOne() : op.type === 'str' ? this.#int16() : this.#int32()
    if (length === undefined) return undefined
    // Old versions have record sets that are null although no format says so.
    const isNull = length === -1 && (op.isNullable || op.type === 'rec')
    return (length >= 0 && length <= this.left) || isNull ? length : this.fail('KAFKA_MALFORMED_REQUEST')
  }

  /** Of an array; -1 = null. */
  count(op: Op): number | undefined {
    const count = op.isCompact ? this.#lessOne() : this.#int32()
    if (count === undefined) return undefined
    // Each element takes a byte at least. Kafka itself reads null where an old format has no null.
    return count >= -1 && count <= this.left ? count : this.fail('KAFKA_MALFORMED_REQUEST')
  }

  /** Whether a struct that may be null is there. */
  presence(): boolean | undefined {
    const { position } = this
    return this.#take(1) ? this.#b.readInt8(position) >= 0 : undefined
  }

  /** Unsigned, of at most 5 bytes and 31 bits. */
  varint(): number | undefined {
    let value = 0
    for (let i = 0; i < 5; i++) {
      if (i >= this.available) return this.#missing()
      const byte = this.#b[this.position + i]!
      value += (byte & 0x7f) * 2 ** (7 * i)
      if (byte >= 0x80) continue
      if (value > 0x7fff_ffff) break
      this.consume(i + 1)
      return value
    }
    return this.fail('KAFKA_MALFORMED_REQUEST')
  }

  /** One tagged field: its size. */
  tag(): number | undefined {
    const before = { position: this.position, offset: this.offset, left: this.left }
    const size = this.varint() === undefined ? undefined : this.varint()
    if (size === undefined) Object.assign(this, before)
    else if (size > this.left) return this.fail('KAFKA_MALFORMED_REQUEST')
    return size
  }

  #string(op: Op): string | null | undefined {
    const before = { position: this.position, offset: this.offset, left: this.left }
    const length = this.length(op)
    if (length === undefined || length < 0) return length === undefined ? undefined : null
    if (length > MAX_NAME_BYTES) return this.fail('KAFKA_NAME_TOO_LONG')
    const from = this.position
    if (this.#take(length)) return this.#b.toString('utf8', from, from + length)
    Object.assign(this, before)
    return undefined
  }

  #lessOne(): number | undefined {
    const value = this.varint()
    return value === undefined ? undefined : value - 1
  }

  #int16(): number | undefined {
    const { position } = this
    return this.#take(2) ? this.#b.readInt16BE(position) : undefined
  }

  #int32(): number | undefined {
    const { position } = this
    return this.#take(4) ? this.#b.readInt32BE(position) : undefined
  }

  #take(bytes: number): boolean {
    if (bytes > this.available) {
      this.#missing()
      return false
    }
    this.consume(bytes)
    return true
  }

  /** What the rest of the frame cannot hold will never come. */
  #missing(): undefined {
    return this.available === this.left ? this.fail('KAFKA_MALFORMED_REQUEST') : undefined
  }
}
