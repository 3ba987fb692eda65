// A buffer that grows. Numbers are in network order.

export class ByteWriter {
  #bytes: Buffer
  #length = 0

  constructor(capacity = 256) {
    this.#bytes = Buffer.allocUnsafe(capacity)
  }

  get length(): number {
    return this.#length
  }

  /** What was written; a view that the next write may change. */
  get bytes(): Buffer {
    return this.#bytes.subarray(0, this.#length)
  }

  int(value: number, bytes: 1 | 2 | 4): void {
    // Growing exchanges the buffer: first.
    const at = this.#grow(bytes)
    this.#bytes.writeIntBE(value, at, bytes)
  }

  int64(value: number): void {
    const at = this.#grow(8)
    this.#bytes.writeBigInt64BE(BigInt(value), at)
  }

  /** Unsigned, of up to 32 bits. */
  varint(value: number): void {
    let rest = value
    while (rest > 0x7f) {
      this.int(((rest & 0x7f) | 0x80) - 0x100, 1)
      rest >>>= 7
    }
    this.int(rest, 1)
  }

  raw(data: Uint8Array, start = 0, end = data.length): void {
    const at = this.#grow(end - start)
    this.#bytes.set(start === 0 && end === data.length ? data : data.subarray(start, end), at)
  }

  zeros(bytes: number): void {
    const at = this.#grow(bytes)
    this.#bytes.fill(0, at, at + bytes)
  }

  /** Forget what stands behind. */
  truncate(length: number): void {
    this.#length = length
  }

  /** @returns where the new bytes begin. */
  #grow(bytes: number): number {
    const at = this.#length
    this.#length += bytes
    if (this.#length > this.#bytes.length) {
      const bigger = Buffer.allocUnsafe(Math.max(this.#length, this.#bytes.length * 2))
      bigger.set(this.#bytes.subarray(0, at))
      this.#bytes = bigger
    }
    return at
  }
}
