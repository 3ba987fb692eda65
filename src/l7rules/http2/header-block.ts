// HEADERS and its CONTINUATION frames (RFC 9113 §6.2 and §6.10) as one header block.
import { type Http2Code } from './codes.ts'
import {
  CONTINUATION,
  END_HEADERS,
  END_STREAM,
  FRAME_HEADER_BYTES,
  HAS_PRIORITY,
  PADDED,
  u24,
  u31,
} from './frames.ts'
import { MAX_BLOCK_BYTES, MAX_CONTINUATIONS } from './limits.ts'

export const MORE = 0
export const FAILED = -1

const PRIORITY_BYTES = 5

export class HeaderBlock {
  /** The block is `buffer[start, end)`. */
  buffer: Buffer = Buffer.alloc(0)
  start = 0
  end = 0
  endsStream = false
  dependsOnItself = false
  /** After FAILED. */
  code: Http2Code = 'HTTP2_BAD_BLOCK'

  /**
   * @param at where a HEADERS frame begins whose frame header is complete.
   * @returns bytes of all its frames, MORE or FAILED.
   */
  read(b: Buffer, at: number, end: number, maxFrameBytes: number): number {
    const length = u24(b, at)
    const flags = b[at + 4]!
    // A frame that cannot become a block is refused before it is collected.
    if (length > MAX_BLOCK_BYTES + PRIORITY_BYTES + 256) return this.fail('HTTP2_BLOCK_TOO_LARGE')
    const next = at + FRAME_HEADER_BYTES + length
    if (next > end) return MORE
    const id = u31(b, at + 5)
    let first = at + FRAME_HEADER_BYTES
    let last = next
    if ((flags & PADDED) !== 0) {
      if (length === 0) return this.fail('HTTP2_BAD_FRAME_SIZE')
      last -= b[first]!
      first++
    }
    this.dependsOnItself = false
    if ((flags & HAS_PRIORITY) !== 0) {
      if (next - first < PRIORITY_BYTES) return this.fail('HTTP2_BAD_FRAME_SIZE')
      this.dependsOnItself = u31(b, first) === id
      first += PRIORITY_BYTES
    }
    if (last < first) return this.fail('HTTP2_BAD_PADDING')
    this.endsStream = (flags & END_STREAM) !== 0
    if (last - first > MAX_BLOCK_BYTES) return this.fail('HTTP2_BLOCK_TOO_LARGE')
    if ((flags & END_HEADERS) === 0) return this.continued(b, at, end, maxFrameBytes, first, last, next, id)
    this.buffer = b
    this.start = first
    this.end = last
    return next - at
  }

  /** The buffer is only lent. */
  release(): void {
    this.buffer = NOTHING
  }

  private continued(
    b: Buffer,
    at: number,
    end: number,
    maxFrameBytes: number,
    first: number,
    last: number,
    next: number,
    id: number,
  ): number {
    const fragments = [b.subarray(first, last)]
    let bytes = last - first
    let i = next
    for (let isLast = false; !isLast;) {
      // The run of frames is broken as soon as that can be seen (§4.3).
      if (end - i >= 4 && b[i + 3] !== CONTINUATION) return this.fail('HTTP2_EXPECTED_CONTINUATION')
      if (end - i < FRAME_HEADER_BYTES) return MORE
      const length = u24(b, i)
      if (u31(b, i + 5) !== id) return this.fail('HTTP2_EXPECTED_CONTINUATION')
      if (length > maxFrameBytes) return this.fail('HTTP2_FRAME_TOO_LARGE')
      if (fragments.length > MAX_CONTINUATIONS) return this.fail('HTTP2_TOO_MANY_CONTINUATIONS')
      bytes += length
      if (bytes > MAX_BLOCK_BYTES) return this.fail('HTTP2_BLOCK_TOO_LARGE')
      const start = i + FRAME_HEADER_BYTES
      if (end - start < length) return MORE
      fragments.push(b.subarray(start, start + length))
      isLast = (b[i + 4]! & END_HEADERS) !== 0
      i = start + length
    }
    this.buffer = Buffer.concat(fragments)
    this.start = 0
    this.end = bytes
    return i - at
  }

  private fail(code: Http2Code): typeof FAILED {
    this.code = code
    return FAILED
  }
}

const NOTHING = Buffer.alloc(0)
