// What a parser injects during one call, together with what passes between it, as one write per direction: answers
// to requests that arrived together leave together.
import { type FlowDirection, ORIGINAL, REPLY } from '../l7rules/parser.ts'

const GATHER_BYTES = 64 * 1024

/** Shared by all connections: empty between two calls of parsers, none of which calls another. */
const buffers = [Buffer.allocUnsafeSlow(GATHER_BYTES), Buffer.allocUnsafeSlow(GATHER_BYTES)] as const

export interface GatherOutput {
  /** Must not keep the bytes, which lie in a shared buffer. */
  inject(direction: FlowDirection, data: Uint8Array): void
}

export class Gather {
  readonly #output: GatherOutput
  /** Bytes gathered, by direction. */
  #original = 0
  #reply = 0

  constructor(output: GatherOutput) {
    this.#output = output
  }

  has(direction: FlowDirection): boolean {
    return (direction === ORIGINAL ? this.#original : this.#reply) !== 0
  }

  /** Bytes larger than the buffer are written in parts. */
  add(direction: FlowDirection, source: Uint8Array, start: number, end: number): void {
    let from = start
    while (from < end) {
      const length = direction === ORIGINAL ? this.#original : this.#reply
      const count = Math.min(end - from, GATHER_BYTES - length)
      buffers[direction].set(source.subarray(from, from + count), length)
      if (direction === ORIGINAL) this.#original += count
      else this.#reply += count
      from += count
      if (from < end) this.#flush(direction)
    }
  }

  flush(): void {
    if (this.#original > 0) this.#flush(ORIGINAL)
    if (this.#reply > 0) this.#flush(REPLY)
  }

  #flush(direction: FlowDirection): void {
    const length = direction === ORIGINAL ? this.#original : this.#reply
    if (direction === ORIGINAL) this.#original = 0
    else this.#reply = 0
    this.#output.inject(direction, buffers[direction].subarray(0, length))
  }
}
