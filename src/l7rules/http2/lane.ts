// One direction of a connection: where in its frames the receiver is, and what waits to be put between them.

export class Lane {
  /** Bytes to pass that were not handed over yet: one step for all of them. */
  run = 0
  /** Payload of the frame under way that is still to come. */
  rest = 0
  /** That payload is dropped: the receiver knows nothing of the frame. */
  isRestDropped = false
  /** Stream that the frame under way ends; 0: none. */
  endsId = 0
  /** The first SETTINGS came. */
  isOpened = false
  isFinished = false
  /** Frames of ours that wait for the frame under way. */
  queue: Uint8Array[] = []
  queuedBytes = 0

  /** A frame may be put in here: not before the first SETTINGS (RFC 9113 §3.4), and not within a frame. */
  get isBetweenFrames(): boolean {
    return this.isOpened && (this.rest === 0 || this.isRestDropped)
  }
}
