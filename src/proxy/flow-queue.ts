// Batches of flow records that wait for the agent: bounded in bytes, loss counted in records.

const DEFAULT_MAX_BYTES = 1024 * 1024

export interface QueuedFlows {
  readonly ndjson: Uint8Array
  /** Records dropped since the previous batch. */
  readonly lost: number
}

export class FlowQueue {
  readonly #maxBytes: number
  #batches: Uint8Array[] = []
  #bytes = 0
  #lost = 0
  #lostTotal = 0

  constructor(maxBytes = DEFAULT_MAX_BYTES) {
    this.#maxBytes = maxBytes
  }

  get lostTotal(): number {
    return this.#lostTotal
  }

  push(ndjson: Uint8Array, records: number): void {
    if (this.#bytes + ndjson.length > this.#maxBytes) {
      this.#lost += records
      this.#lostTotal += records
      return
    }
    this.#batches.push(ndjson)
    this.#bytes += ndjson.length
  }

  /** The oldest batch; undefined = nothing to tell. */
  shift(): QueuedFlows | undefined {
    const ndjson = this.#batches.shift()
    if (ndjson === undefined && this.#lost === 0) return undefined
    const { length } = ndjson ?? ''
    this.#bytes -= length
    const lost = this.#lost
    this.#lost = 0
    return { ndjson: ndjson ?? new Uint8Array(), lost }
  }
}
