// The last flows of the node, for `weir observe`: a ring of JSON lines and the followers that want new ones.
import { FLOW_RING_RECORDS } from '../lib/limits.ts'

const DEFAULT_QUEUE_LINES = 4096

/** Looks at a line of JSON. */
export type FlowFilter = (line: string) => boolean

export interface FlowLogOptions {
  /** Lines kept for those who ask later. */
  readonly capacity?: number
  /** Lines that wait for one follower; more are counted as lost for it. */
  readonly queueLines?: number
}

/** One line for a follower; `lost` = records that it missed just before this one. */
export interface FlowLine {
  readonly flow: string
  readonly lost: number
}

export class FlowLog {
  readonly #capacity: number
  readonly #queueLines: number
  readonly #ring: string[] = []
  #oldest = 0
  readonly #followers = new Set<FlowFollower>()
  #lost = 0

  constructor(options: FlowLogOptions = {}) {
    this.#capacity = options.capacity ?? FLOW_RING_RECORDS
    this.#queueLines = options.queueLines ?? DEFAULT_QUEUE_LINES
  }

  /** Records that never got here, because a stream was slow. */
  get lost(): number {
    return this.#lost
  }

  /** A batch of a worker: new records, or past ones that were asked for. */
  receive(batch: { readonly ndjson: Uint8Array; readonly lost: number; readonly past: boolean }): void {
    const ndjson = Buffer.from(batch.ndjson).toString()
    if (!batch.past) return this.append(ndjson, batch.lost)
    if (batch.lost > 0) this.#countLoss(batch.lost)
    this.#mergePast(ndjson.split('\n').filter((line) => line !== ''))
  }

  /** `ndjson`: whole lines; `lost`: records that the sender dropped before them. */
  append(ndjson: string, lost = 0): void {
    if (lost > 0) this.#countLoss(lost)
    let start = 0
    for (let end = ndjson.indexOf('\n'); end >= 0; end = ndjson.indexOf('\n', start)) {
      if (end > start) this.#add(ndjson.slice(start, end))
      start = end + 1
    }
    if (start < ndjson.length) this.#add(ndjson.slice(start))
  }

  /** The newest `count` lines that are wanted, oldest first. */
  last(count: number, isWanted: FlowFilter = () => true): string[] {
    const ordered = [...this.#ring.slice(this.#oldest), ...this.#ring.slice(0, this.#oldest)]
    return count <= 0 ? [] : ordered.filter(isWanted).slice(-count)
  }

  /** Gets every line that is wanted from now on. `onReady` is called when a line waits after `next` had none. */
  follow(onReady: () => void, isWanted: FlowFilter = () => true): FlowFollower {
    const forget = (): void => void this.#followers.delete(follower)
    const follower = new FlowFollower(this.#queueLines, isWanted, onReady, forget)
    this.#followers.add(follower)
    return follower
  }

  /** Followers are not told: they asked for the past themselves, or for none. */
  #mergePast(lines: readonly string[]): void {
    if (lines.length === 0) return
    const timed = [...this.last(this.#capacity), ...lines].map((line) => ({ line, time: timeOf(line) }))
    timed.sort((a, b) => (a.time < b.time ? -1 : Number(a.time > b.time)))
    const newest = timed.slice(-this.#capacity)
    this.#ring.splice(0, this.#ring.length, ...newest.map(({ line }) => line))
    this.#oldest = 0
  }

  #add(line: string): void {
    if (this.#ring.length < this.#capacity) {
      this.#ring.push(line)
    } else {
      this.#ring[this.#oldest] = line
      this.#oldest = (this.#oldest + 1) % this.#capacity
    }
    for (const follower of this.#followers) follower.offer(line)
  }

  #countLoss(records: number): void {
    this.#lost += records
    for (const follower of this.#followers) follower.miss(records)
  }
}

/** RFC 3339 up to the millisecond sorts as text. */
function timeOf(line: string): string {
  return /"time":"([^"]{23})/.exec(line)?.[1] ?? ''
}

/** A bounded queue between the flow log and one slow reader. */
export class FlowFollower {
  readonly #capacity: number
  readonly #isWanted: FlowFilter
  readonly #onReady: () => void
  readonly #onClose: () => void
  #queue: FlowLine[] = []
  #read = 0
  #missed = 0

  constructor(capacity: number, isWanted: FlowFilter, onReady: () => void, onClose: () => void) {
    this.#capacity = capacity
    this.#isWanted = isWanted
    this.#onReady = onReady
    this.#onClose = onClose
  }

  offer(flow: string): void {
    if (!this.#isWanted(flow)) return
    if (this.#queue.length - this.#read >= this.#capacity) return this.miss(1)
    this.#queue.push({ flow, lost: this.#missed })
    this.#missed = 0
    if (this.#queue.length - this.#read === 1) this.#onReady()
  }

  miss(records: number): void {
    this.#missed += records
  }

  /** The next line; undefined = none waits. */
  next(): FlowLine | undefined {
    const line = this.#queue[this.#read]
    if (line === undefined) {
      this.#queue = []
      this.#read = 0
      return undefined
    }
    this.#read++
    // Dropping the read half now and then keeps the array bounded while a reader never catches up.
    if (this.#read >= this.#capacity) {
      this.#queue = this.#queue.slice(this.#read)
      this.#read = 0
    }
    return line
  }

  close(): void {
    this.#onClose()
  }
}
