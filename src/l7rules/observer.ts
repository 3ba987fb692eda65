// A parser that only looks on: all bytes pass as they come and at once, and an inner parser sees copies, for
// the records that it makes. For connections that nothing enforced restricts: rules in audit or shadow must
// not slow down, change or break what they are not to judge yet, be it no message of the protocol at all.
import { ORIGINAL, type FlowDirection, type ProtocolParser, REPLY, type Steps } from './parser.ts'

/** What a blocked inner parser may leave unread: then it has lost touch, and is let go. */
const MAX_RETAINED_BYTES = 256 * 1024

export class Observer implements ProtocolParser {
  readonly #steps: Steps
  readonly #inner: ProtocolParser
  /** What the inner parser has not consumed, per direction. */
  readonly #retained: [Buffer, Buffer] = [Buffer.alloc(0), Buffer.alloc(0)]
  readonly #isEnded: [boolean, boolean] = [false, false]
  #consumed = 0
  #isLost = false

  /** @param makeInner its steps are performed on its copies only: nothing that it injects reaches anybody. */
  constructor(steps: Steps, makeInner: (steps: Steps) => ProtocolParser) {
    this.#steps = steps
    this.#inner = makeInner({
      pass: (_direction, bytes) => void (this.#consumed += bytes),
      drop: (_direction, bytes) => void (this.#consumed += bytes),
      inject: () => {},
      finish: () => {},
      error: () => this.#lose(),
    })
  }

  receive(direction: FlowDirection, buffer: Buffer, start: number, end: number, nowMs: number): void {
    this.#steps.pass(direction, end - start)
    if (this.#isLost) return
    const kept = this.#retained[direction]
    const unread =
      kept.length === 0 ? buffer.subarray(start, end) : Buffer.concat([kept, buffer.subarray(start, end)])
    this.#offer(direction, unread, nowMs)
    this.#reoffer(nowMs)
  }

  end(direction: FlowDirection, nowMs: number): void {
    this.#steps.finish(direction)
    this.#isEnded[direction] = true
    if (!this.#isLost) this.#tellEnd(direction, nowMs)
  }

  wants(): boolean {
    return true
  }

  close(nowMs: number): void {
    if (!this.#isLost) this.#inner.close(nowMs)
  }

  #offer(direction: FlowDirection, unread: Buffer, nowMs: number): void {
    this.#consumed = 0
    if (this.#inner.wants(direction)) this.#inner.receive(direction, unread, 0, unread.length, nowMs)
    if (this.#isLost) return
    const rest = unread.subarray(this.#consumed)
    // A copy: the buffer is the relay's.
    this.#retained[direction] = rest === this.#retained[direction] ? rest : Buffer.from(rest)
    if (rest.length <= MAX_RETAINED_BYTES) return
    this.#inner.close(nowMs)
    this.#lose()
  }

  /** One direction may have waited for the other. */
  #reoffer(nowMs: number): void {
    for (const direction of [ORIGINAL, REPLY] as const) {
      const kept = this.#retained[direction]
      if (this.#isLost || kept.length === 0 || !this.#inner.wants(direction)) continue
      this.#offer(direction, kept, nowMs)
      if (this.#isEnded[direction]) this.#tellEnd(direction, nowMs)
    }
  }

  /** Not before all bytes in front of it were offered. */
  #tellEnd(direction: FlowDirection, nowMs: number): void {
    if (this.#isLost) return
    if (this.#retained[direction].length === 0 || this.#inner.wants(direction))
      this.#inner.end(direction, nowMs)
  }

  #lose(): void {
    this.#isLost = true
    this.#retained.fill(Buffer.alloc(0))
  }
}
