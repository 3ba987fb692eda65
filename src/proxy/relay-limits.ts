// Every bound of a relay, with its unit. Established traffic has no deadline that the application did not have.

export interface RelayLimits {
  /** Dial to established. Linux alone would try for about two minutes. */
  readonly connectMs: number
  /** Orderly end that the proxy itself decided: from then until the client has read its answer and closed. */
  readonly drainMs: number
  /** Bytes of the client that are read and discarded meanwhile. */
  readonly drainMaxBytes: number
  /** One side broke while it waits for the other to take its bytes: time left for that. */
  readonly hangupMs: number
  /** At least one side sent FIN and no byte moves: dead clients would otherwise pile up. */
  readonly halfClosedIdleMs: number
  /** Bytes of one direction that a parser may leave unconsumed. Its own limits should be lower. */
  readonly maxRetainedBytes: number
  /** Injected bytes that the client has not taken: beyond, its requests are not read. */
  readonly maxUnreadAnswerBytes: number
}

export const RELAY_LIMITS: RelayLimits = {
  connectMs: 10_000,
  drainMs: 30_000,
  drainMaxBytes: 8 * 1024 * 1024,
  hangupMs: 10_000,
  halfClosedIdleMs: 3_600_000,
  maxRetainedBytes: 1024 * 1024,
  maxUnreadAnswerBytes: 64 * 1024,
}
