// A stream that both the client and the server know. A denied one never becomes such: it is answered and over.
import { type Verdict } from '../verdict.ts'
import { type HttpExchange } from '../http1/request.ts'

export type Mutable<T> = { -readonly [Key in keyof T]: T[Key] }

export const MALFORMED: Verdict = Object.freeze({
  allowed: false,
  rule: '',
  reason: 'UNPARSEABLE',
  direction: 'ingress',
})

export function newRecord(): Mutable<HttpExchange> {
  return {
    method: '',
    path: '',
    host: '',
    protocol: 'HTTP/2',
    status: 0,
    verdict: MALFORMED,
    error: '',
    requestBytes: 0,
    responseBytes: 0,
    startedMs: 0,
    endedMs: 0,
    respondedMs: 0,
    grpcStatus: undefined,
  }
}

/** Reused. */
export class Stream {
  id = 0
  readonly record = newRecord()
  isClientDone = false
  isServerDone = false
  /** The final response head was seen: what follows is data and trailers. */
  isAnswered = false
  /** Data still to come from the client; -1: no Content-Length binds it. */
  contentRest = -1
  /** By direction: what WINDOW_UPDATE has added to the initial window, less the data sent. */
  clientWindow = 0
  serverWindow = 0

  begin(id: number): void {
    this.id = id
    this.isClientDone = false
    this.isServerDone = false
    this.isAnswered = false
    this.contentRest = -1
    this.clientWindow = 0
    this.serverWindow = 0
    const { record } = this
    record.status = 0
    record.error = ''
    record.responseBytes = 0
    record.respondedMs = 0
    record.grpcStatus = undefined
  }
}

/** Kept for reuse; the rest is left to the collector. */
const MAX_SPARE = 32
/** Latest streams that both sides ended: a frame on one of them is an error and not merely late. */
const ENDED = 16

export class Streams {
  private readonly open = new Map<number, Stream>()
  private readonly spare: Stream[] = []
  private readonly ended = new Int32Array(ENDED)
  private endedAt = 0

  get count(): number {
    return this.open.size
  }

  get(id: number): Stream | undefined {
    return this.open.get(id)
  }

  begin(id: number): Stream {
    const stream = this.spare.pop() ?? new Stream()
    stream.begin(id)
    this.open.set(id, stream)
    return stream
  }

  remove(stream: Stream, wasEnded: boolean): void {
    this.open.delete(stream.id)
    if (wasEnded) {
      this.ended[this.endedAt] = stream.id
      this.endedAt = (this.endedAt + 1) % ENDED
    }
    // Strings are as long as the peer liked.
    const { record } = stream
    record.method = ''
    record.path = ''
    record.host = ''
    if (this.spare.length < MAX_SPARE) this.spare.push(stream)
  }

  hasEnded(id: number): boolean {
    return this.ended.includes(id)
  }

  [Symbol.iterator](): IterableIterator<Stream> {
    return this.open.values()
  }
}
