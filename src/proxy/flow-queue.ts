// Flow records on their way to the agent: kept while nobody asks, queued while somebody watches.
import type { FlowBatch } from '../gen/weir/v1/FlowBatch.ts'
import { FLOW_RING_RECORDS } from '../lib/limits.ts'

const DEFAULT_MAX_BYTES = 8 * 1024 * 1024

interface Batch {
  /** A part, or all, of a buffer of its own. */
  readonly ndjson: Buffer
  readonly records: number
}

interface Outgoing extends Batch {
  readonly past: boolean
  readonly answers: number
}

const NOTHING = Buffer.alloc(0)

/**
 * While nobody follows, the oldest batches make room for new ones, as in the ring of the agent: that is
 * no loss. While somebody does, a batch that finds no room is lost and counted.
 */
export class FlowQueue {
  readonly #maxBytes: number
  #kept: Batch[] = []
  #keptRecords = 0
  #outgoing: Outgoing[] = []
  #bytes = 0
  #isFollowing = false
  #lost = 0
  #lostTotal = 0
  /** Of the batch that made room last, to be filled again: V8 answers 64 MiB of fresh buffers with a full collection. */
  #spare: ArrayBufferLike | undefined

  /** `maxBytes` bounds what waits, kept and outgoing together. */
  constructor(maxBytes = DEFAULT_MAX_BYTES) {
    this.#maxBytes = maxBytes
  }

  /** Records lost since the start. */
  get lostTotal(): number {
    return this.#lostTotal
  }

  /** `ndjson` is copied. */
  push(ndjson: Uint8Array, records: number): void {
    if (!this.#isFollowing) return this.#keep({ ndjson: this.#copy(ndjson), records })
    if (this.#bytes + ndjson.length > this.#maxBytes) {
      this.#lost += records
      this.#lostTotal += records
      return
    }
    this.#bytes += ndjson.length
    this.#outgoing.push({ ndjson: this.#copy(ndjson), records, past: false, answers: 0 })
  }

  /** The agent asks: everything kept goes out, the last batch, perhaps an empty one, with the id. */
  request(id: number, follow: boolean): void {
    this.#isFollowing = follow
    for (const batch of this.#kept) this.#outgoing.push({ ...batch, past: true, answers: 0 })
    this.#kept = []
    this.#keptRecords = 0
    this.#outgoing.push({ ndjson: NOTHING, records: 0, past: true, answers: id })
  }

  /** The agent has gone: what did not get out is kept for the next one. */
  disconnect(): void {
    this.#isFollowing = false
    const unsent = this.#outgoing.filter(({ records }) => records > 0)
    this.#outgoing = []
    this.#kept = [...unsent, ...this.#kept]
    for (const { records } of unsent) this.#keptRecords += records
    this.#makeRoom()
  }

  /** The next batch to send; undefined = none. */
  shift(): FlowBatch | undefined {
    const batch = this.#outgoing.shift()
    if (batch === undefined && this.#lost === 0) return undefined
    const { ndjson, past, answers } = batch ?? { ndjson: NOTHING, past: false, answers: 0 }
    this.#bytes -= ndjson.length
    const lost = this.#lost
    this.#lost = 0
    return { ndjson, past, answers, lost }
  }

  #copy(ndjson: Uint8Array): Buffer {
    const spare = this.#spare
    this.#spare = undefined
    const isFit = spare !== undefined && spare.byteLength >= ndjson.length
    const copy = isFit ? Buffer.from(spare, 0, ndjson.length) : Buffer.allocUnsafeSlow(ndjson.length)
    copy.set(ndjson)
    return copy
  }

  #keep(batch: Batch): void {
    this.#kept.push(batch)
    this.#keptRecords += batch.records
    this.#bytes += batch.ndjson.length
    this.#makeRoom()
  }

  /** The newest records that the agent could want stay, unless they are too many bytes. */
  #makeRoom(): void {
    for (let oldest = this.#kept[0]; oldest !== undefined; oldest = this.#kept[0]) {
      const isSurplus = this.#keptRecords - oldest.records >= FLOW_RING_RECORDS
      if (!isSurplus && this.#bytes <= this.#maxBytes) return
      this.#kept.shift()
      this.#keptRecords -= oldest.records
      this.#bytes -= oldest.ndjson.length
      this.#spare = oldest.ndjson.buffer
    }
  }
}
