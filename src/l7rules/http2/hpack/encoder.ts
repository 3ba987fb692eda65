// HPACK encoder that keeps no state: static table and literals without indexing (RFC 7541 §6.1 to §6.2.3), so that
// its blocks mean the same whatever the decoder's dynamic table holds, and leave it as it is.
import { STATIC_FIELDS, STATIC_NAMES } from './static-table.ts'

const INDEXED = 0x80
const LITERAL = 0x00
const NEVER_INDEXED = 0x10
const SIZE_UPDATE = 0x20

export class BlockWriter {
  private buffer = Buffer.allocUnsafeSlow(1024)
  private length = 0

  reset(): void {
    this.length = 0
  }

  /** RFC 7541 §6.3. Only in front of all fields. */
  sizeUpdate(bytes: number): void {
    this.reserve(8)
    this.integer(SIZE_UPDATE, 0x1f, bytes)
  }

  /** Name and value hold one char per byte. */
  field(name: string, value: string, isNeverIndexed = false): void {
    this.reserve(name.length + value.length + 24)
    const index = STATIC_NAMES.get(name) ?? 0
    if (!isNeverIndexed && index > 0) {
      for (let i = index; STATIC_FIELDS[i]?.name === name; i++) {
        if (STATIC_FIELDS[i]!.value !== value || value === '') continue
        this.integer(INDEXED, 0x7f, i)
        return
      }
    }
    this.integer(isNeverIndexed ? NEVER_INDEXED : LITERAL, 0x0f, index)
    if (index === 0) this.string(name)
    this.string(value)
  }

  /** @returns a copy of what was written. */
  block(): Buffer {
    return Buffer.from(this.buffer.subarray(0, this.length))
  }

  private string(text: string): void {
    this.integer(0, 0x7f, text.length)
    this.length += this.buffer.write(text, this.length, 'latin1')
  }

  /** RFC 7541 §5.1. */
  private integer(first: number, mask: number, value: number): void {
    if (value < mask) {
      this.buffer[this.length++] = first | value
      return
    }
    this.buffer[this.length++] = first | mask
    let rest = value - mask
    while (rest >= 0x80) {
      this.buffer[this.length++] = (rest & 0x7f) | 0x80
      rest >>>= 7
    }
    this.buffer[this.length++] = rest
  }

  private reserve(bytes: number): void {
    if (this.length + bytes <= this.buffer.length) return
    const larger = Buffer.allocUnsafeSlow(2 * (this.length + bytes))
    this.buffer.copy(larger, 0, 0, this.length)
    this.buffer = larger
  }
}
