// The contract of a protocol parser: bytes in, steps out, no sockets, no clock, no logger.
// Laws (checked by test/conformance/parser-laws.ts): any split of the input gives the same steps;
// passed + dropped + retained = received; each call makes progress or wants more; random bytes never
// throw; memory is bounded; nothing is passed after `error`; what cannot be parsed is denied.

/** 0: from downstream (client) to upstream (server). 1: from upstream to downstream. */
export const ORIGINAL = 0
export const REPLY = 1
export type FlowDirection = typeof ORIGINAL | typeof REPLY

/** What a parser may ask for. Calls are performed in order; none re-enters the parser. */
export interface Steps {
  /** Forward the next `bytes` unconsumed bytes of `direction` as they came. Only from within `receive` of it. */
  pass(direction: FlowDirection, bytes: number): void
  /** Consume the next `bytes` unconsumed bytes of `direction` without forwarding them. */
  drop(direction: FlowDirection, bytes: number): void
  /** Put `data` into the stream that the receiver of `direction` reads: REPLY reaches downstream. */
  inject(direction: FlowDirection, data: Uint8Array): void
  /**
   * The connection cannot go on. What was passed or injected before still reaches downstream, then
   * downstream is closed in an orderly way and upstream is aborted. `code` is counted and logged.
   */
  error(code: string): void
  /** Nothing more comes in `direction`: send FIN to its receiver once all before it was sent. */
  finish(direction: FlowDirection): void
}

export interface ProtocolParser {
  /**
   * Look at `buffer[start, end)`: all unconsumed bytes of `direction`, in order, beginning with those
   * retained by the previous call. Bytes that no `pass` or `drop` consumed are retained by the caller
   * and come again, with more behind them. The buffer must not be kept past the call.
   * @param nowMs monotonic milliseconds, for durations in records.
   */
  receive(direction: FlowDirection, buffer: Buffer, start: number, end: number, nowMs: number): void
  /** FIN of `direction`'s sender; no `receive` of it follows. */
  end(direction: FlowDirection, nowMs: number): void
  /** False: blocked until the other direction moves on; the caller stops reading and calls again then. */
  wants(direction: FlowDirection): boolean
  /** The connection is gone (reset, timeout, shutdown): emit the records of what was under way. */
  close(nowMs: number): void
}
