// The last head that was accepted on a connection. Clients and servers repeat themselves: when the same
// bytes come again, everything parsed from them is known. Sound because the whole head is equal and its
// meaning depends on nothing else; the verdict is not remembered here.
import { MAX_REMEMBERED_HEAD_BYTES } from './limits.ts'

/** Below, a loop is cheaper than a call out of JavaScript. */
const LOOP_BYTES = 160
/** Round sizes up, so that a head that grows by some bytes finds room. */
const GRAIN_BYTES = 128

export class RememberedHead {
  private bytes: Buffer | undefined
  private length = 0
  private seen = 0

  /** @returns the length of the head at `start` when it is the remembered one, 0 otherwise. */
  match(b: Buffer, start: number, end: number): number {
    const length = this.length
    if (length === 0 || end - start < length) return 0
    const bytes = this.bytes!
    if (length > LOOP_BYTES) return b.compare(bytes, 0, length, start, start + length) === 0 ? length : 0
    for (let i = 0; i < length; i++) if (bytes[i] !== b[start + i]) return 0
    return length
  }

  /** What was parsed from the remembered head is about to be overwritten. */
  forget(): void {
    this.length = 0
  }

  /** From the second head on: a connection that carries one request does not pay for a copy. */
  remember(b: Buffer, start: number, end: number): void {
    const length = end - start
    if (this.seen++ === 0 || length > MAX_REMEMBERED_HEAD_BYTES) return
    if (this.bytes === undefined || this.bytes.length < length) {
      this.bytes = Buffer.allocUnsafeSlow(Math.ceil(length / GRAIN_BYTES) * GRAIN_BYTES)
    }
    b.copy(this.bytes, 0, start, end)
    this.length = length
  }
}
