// Bytes in order: appended at the end, consumed from the front, always contiguous, copied O(1) times each.
import { MAX_READ_BYTES } from './limits.ts'

const MIN_CAPACITY = 4096
const EMPTY = Buffer.alloc(0)
/** Whatever a receiver leaves of one read fits. */
const LARGE_CAPACITY = MAX_READ_BYTES
/**
 * Buffers to be used again. The first request of most connections waits in a small one for the server, and a stream
 * to a slow receiver needs a large one again and again; V8 answers 64 MiB of fresh ones with a full collection.
 */
const SPARES: ReadonlyMap<number, { readonly buffers: Buffer[]; readonly max: number }> = new Map([
  [MIN_CAPACITY, { buffers: [], max: 64 }],
  [LARGE_CAPACITY, { buffers: [], max: 16 }],
])

/** Holds no memory while empty. The exposed buffer may move with each `append`. */
export class ByteQueue {
  buffer: Buffer = EMPTY
  /** The bytes are `buffer[start, end)`. */
  start = 0
  end = 0

  get length(): number {
    return this.end - this.start
  }

  append(source: Uint8Array, start: number, end: number): void {
    const bytes = end - start
    if (bytes <= 0) return
    if (this.end + bytes > this.buffer.length) this.#makeRoom(bytes)
    this.buffer.set(start === 0 && end === source.length ? source : source.subarray(start, end), this.end)
    this.end += bytes
  }

  /** Forget the first `bytes` bytes; at most `length`. */
  consume(bytes: number): void {
    this.start += bytes
    if (this.start >= this.end) this.clear()
  }

  clear(): void {
    spare(this.buffer)
    this.buffer = EMPTY
    this.start = 0
    this.end = 0
  }

  /** Move to the front only when that frees at least half, else double: each byte moves a bounded number of times. */
  #makeRoom(bytes: number): void {
    const needed = this.length + bytes
    if (needed <= this.buffer.length && this.start * 2 >= this.buffer.length) {
      this.buffer.copyWithin(0, this.start, this.end)
    } else {
      let capacity = Math.max(MIN_CAPACITY, this.buffer.length * 2)
      while (capacity < needed) capacity *= 2
      // Not from Node's pool: a pooled slice would keep 8 KiB of strangers alive.
      const larger = SPARES.get(capacity)?.buffers.pop() ?? Buffer.allocUnsafeSlow(capacity)
      this.buffer.copy(larger, 0, this.start, this.end)
      spare(this.buffer)
      this.buffer = larger
    }
    this.end = this.length
    this.start = 0
  }
}

function spare(buffer: Buffer): void {
  const spares = SPARES.get(buffer.length)
  if (spares !== undefined && spares.buffers.length < spares.max) spares.buffers.push(buffer)
}

/** Stands for a queue that nothing was ever put into: most never see a byte. Must not be appended to. */
export const NO_BYTES = new ByteQueue()
