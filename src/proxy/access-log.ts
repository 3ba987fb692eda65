// One record per exchange: gathered in one string, handed to the sinks per 96 KiB or 50 ms.
import type { HttpExchange } from '../l7rules/http1/request.ts'
import type { KafkaExchange } from '../l7rules/kafka/exchange.ts'
import { CLOSE_TIMEOUT_MS, FLUSH_BYTES, FLUSH_MS } from './access-log-limits.ts'
import { ConnectionRecord, type ConnectionFacts } from './access-record.ts'
import { RecordParts } from './record-parts.ts'
import { TimestampFormatter } from './timestamp.ts'

/** For the record that exceeds the limit; a longer one gets a buffer of its own. */
const LAST_RECORD_BYTES = 16 * 1024

/** Takes whole lines. Never blocks: what it cannot take it drops and counts. */
export interface RecordSink {
  /** `ndjson` is used again after the call: copy what stays. */
  write(ndjson: Buffer, records: number): void
  /** Records dropped since the start. */
  readonly lost: number
  /** Open the target anew, e.g. after log rotation. */
  reopen(): void
  /** Write out what waits, for at most `timeoutMs`, then let go of the target. */
  close(timeoutMs: number): Promise<void>
}

export interface AccessLogOptions {
  readonly sinks: readonly RecordSink[]
  /** Milliseconds since 1970: pass the clock that the event loop caches per wake. */
  readonly now?: () => number
  readonly flushBytes?: number
  readonly flushMs?: number
}

/** Writes the exchanges of one connection. */
export interface ConnectionLog {
  /** `revision`: of the policy that judged it. */
  record(exchange: HttpExchange, revision: number): void
  recordKafka(exchange: KafkaExchange, revision: number): void
}

export class AccessLog {
  readonly #sinks: readonly RecordSink[]
  readonly #now: () => number
  readonly #flushBytes: number
  readonly #flushMs: number
  readonly #timestamps = new TimestampFormatter()
  readonly #parts = new RecordParts()
  /** One for all batches: a fresh one each time would be a full collection for every 64 MiB of records. */
  readonly #buffer: Buffer
  #pending = ''
  #records = 0
  #timer: NodeJS.Timeout | undefined

  constructor(options: AccessLogOptions) {
    this.#sinks = options.sinks
    this.#now = options.now ?? Date.now
    this.#flushBytes = options.flushBytes ?? FLUSH_BYTES
    this.#flushMs = options.flushMs ?? FLUSH_MS
    this.#buffer = Buffer.allocUnsafeSlow(this.#flushBytes + LAST_RECORD_BYTES)
  }

  /** Records that some sink dropped. */
  get lost(): number {
    return this.#sinks.reduce((sum, sink) => sum + sink.lost, 0)
  }

  connection(facts: ConnectionFacts): ConnectionLog {
    return new LoggedConnection(facts, this.#parts, this)
  }

  /** For the next record. */
  time(): string {
    return this.#timestamps.format(this.#now())
  }

  /** Called by the connections. */
  add(line: string): void {
    this.#pending += line
    this.#records++
    if (this.#pending.length >= this.#flushBytes) this.flush()
    else this.#timer ??= setTimeout(() => this.flush(), this.#flushMs).unref()
  }

  flush(): void {
    clearTimeout(this.#timer)
    this.#timer = undefined
    if (this.#records === 0) return
    const ndjson = this.#bytes(this.#pending)
    const records = this.#records
    this.#pending = ''
    this.#records = 0
    for (const sink of this.#sinks) sink.write(ndjson, records)
  }

  reopen(): void {
    for (const sink of this.#sinks) sink.reopen()
  }

  /** Hand over what is gathered and wait at most `timeoutMs` for the sinks. */
  async close(timeoutMs = CLOSE_TIMEOUT_MS): Promise<void> {
    this.flush()
    await Promise.all(this.#sinks.map((sink) => sink.close(timeoutMs)))
  }

  #bytes(latin1: string): Buffer {
    if (latin1.length > this.#buffer.length) return Buffer.from(latin1, 'latin1')
    return this.#buffer.subarray(0, this.#buffer.write(latin1, 'latin1'))
  }
}

/** One object per connection: thousands lie idle. */
class LoggedConnection extends ConnectionRecord implements ConnectionLog {
  readonly #log: AccessLog

  constructor(facts: ConnectionFacts, parts: RecordParts, log: AccessLog) {
    super(facts, parts)
    this.#log = log
  }

  record(exchange: HttpExchange, revision: number): void {
    this.#log.add(this.format(exchange, revision, this.#log.time()))
  }

  recordKafka(exchange: KafkaExchange, revision: number): void {
    this.#log.add(this.formatKafka(exchange, revision, this.#log.time()))
  }
}
