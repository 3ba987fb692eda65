// What one side has announced by SETTINGS, and when it binds the other: at once where it allows more, and only
// with the acknowledgement where it allows less (RFC 9113 §6.5.3).
import { DEFAULT_MAX_FRAME_BYTES, DEFAULT_WINDOW_BYTES } from './frames.ts'

interface Announced {
  /** undefined: as before. */
  readonly frameBytes: number | undefined
  readonly windowBytes: number | undefined
  /** Smallest and last value in the frame. */
  readonly tableBytes: readonly [smallest: number, last: number] | undefined
}

export class PeerSettings {
  /** What the other side may rely on: the largest that is or may be in force. */
  maxFrameBytes = DEFAULT_MAX_FRAME_BYTES
  maxWindowBytes = DEFAULT_WINDOW_BYTES
  /** The smallest that is or may be in force. */
  minWindowBytes = DEFAULT_WINDOW_BYTES
  allowsExtendedConnect = false

  private frameBytes = DEFAULT_MAX_FRAME_BYTES
  private windowBytes = DEFAULT_WINDOW_BYTES
  private readonly pending: Announced[] = []

  get unacknowledged(): number {
    return this.pending.length
  }

  announce(announced: Announced): void {
    this.pending.push(announced)
    this.update()
  }

  /** @returns what was acknowledged; undefined when nothing was due. */
  acknowledge(): Announced | undefined {
    const announced = this.pending.shift()
    if (announced === undefined) return undefined
    this.frameBytes = announced.frameBytes ?? this.frameBytes
    this.windowBytes = announced.windowBytes ?? this.windowBytes
    this.update()
    return announced
  }

  private update(): void {
    this.maxFrameBytes = this.frameBytes
    this.maxWindowBytes = this.windowBytes
    this.minWindowBytes = this.windowBytes
    for (const { frameBytes, windowBytes } of this.pending) {
      if (frameBytes !== undefined) this.maxFrameBytes = Math.max(this.maxFrameBytes, frameBytes)
      if (windowBytes === undefined) continue
      this.maxWindowBytes = Math.max(this.maxWindowBytes, windowBytes)
      this.minWindowBytes = Math.min(this.minWindowBytes, windowBytes)
    }
  }
}
