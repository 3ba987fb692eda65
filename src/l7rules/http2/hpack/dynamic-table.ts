// The dynamic table of RFC 7541 §2.3.2 and §4: a ring, newest entry first, bounded in bytes.
import { type Field } from './field.ts'

export const DEFAULT_TABLE_BYTES = 4096

export class DynamicTable {
  count = 0
  bytes = 0
  maxBytes = DEFAULT_TABLE_BYTES
  private ring: (Field | undefined)[] = []
  private newest = 0

  /** @param index 0 is the newest; below `count`. */
  at(index: number): Field {
    return this.ring[(this.newest + index) & (this.ring.length - 1)]!
  }

  /** A field larger than the table empties it and is not kept (§4.4). */
  add(field: Field): void {
    this.evictTo(this.maxBytes - field.bytes)
    if (field.bytes > this.maxBytes) return
    if (this.count === this.ring.length) this.grow()
    this.newest = (this.newest - 1) & (this.ring.length - 1)
    this.ring[this.newest] = field
    this.bytes += field.bytes
    this.count++
  }

  resize(maxBytes: number): void {
    this.maxBytes = maxBytes
    this.evictTo(maxBytes)
  }

  private evictTo(maxBytes: number): void {
    while (this.count > 0 && this.bytes > maxBytes) {
      this.count--
      const oldest = (this.newest + this.count) & (this.ring.length - 1)
      this.bytes -= this.ring[oldest]!.bytes
      this.ring[oldest] = undefined
    }
  }

  private grow(): void {
    const size = Math.max(8, this.ring.length * 2)
    const ring = new Array<Field | undefined>(size).fill(undefined)
    for (let i = 0; i < this.count; i++) ring[i] = this.at(i)
    this.ring = ring
    this.newest = 0
  }
}
