// One Kafka connection: requests are framed, judged and forwarded or answered, responses framed and matched, and every
// answer, the broker's and ours, reaches the client in the order of its request.
//
// Decisions, with their reasons in docs/adr/0012-kafka.md:
// - What is forwarded is what was judged. Denied topics, groups and ids are cut out of a request where its parts are
//   independent, as a broker's own authoriser does, and shown as denied in the answer; else all of it is denied.
// - Clients are told of no version in which topics have ids instead of names, nor of any that is not known here.
// - A request of an unknown API or version is forwarded only where nothing that it could name is restricted.
// - A broker closes the connection after a failed Produce without acknowledgement: so does this.
// - Bytes that are no Kafka end the connection, in their turn.
import { type FlowDirection, ORIGINAL, type ProtocolParser, REPLY } from '../parser.ts'
import { KafkaConnection, type KafkaOptions } from './connection.ts'
import { Requests } from './requests.ts'
import { Responses } from './responses.ts'

export class KafkaSession implements ProtocolParser {
  readonly #connection: KafkaConnection
  readonly #requests: Requests
  readonly #responses: Responses

  constructor(options: KafkaOptions) {
    this.#connection = new KafkaConnection(options)
    this.#requests = new Requests(this.#connection)
    this.#responses = new Responses(this.#connection)
  }

  receive(direction: FlowDirection, buffer: Buffer, start: number, end: number, nowMs: number): void {
    if (this.#connection.isDead) return
    this.#connection.nowMs = nowMs
    if (direction === ORIGINAL) this.#requests.read(buffer, start, end)
    else this.#responses.read(buffer, start, end)
  }

  wants(direction: FlowDirection): boolean {
    const connection = this.#connection
    if (connection.isDead) return false
    return direction === REPLY || connection.isClosed || this.#requests.wants
  }

  end(direction: FlowDirection, nowMs: number): void {
    const connection = this.#connection
    if (connection.isDead) return
    connection.nowMs = nowMs
    if (direction === ORIGINAL) {
      this.#requests.end()
      connection.finish(ORIGINAL)
      return
    }
    this.#requests.close()
    connection.closeBoth('KAFKA_UPSTREAM_CLOSED')
  }

  close(nowMs: number): void {
    const connection = this.#connection
    if (connection.isDead) return
    connection.nowMs = nowMs
    this.#requests.close()
    connection.abandon('KAFKA_CONNECTION_LOST')
    connection.isDead = true
  }

  /** When what the request touches that is arriving must be known. */
  get deadlineMs(): number {
    const { isDead, isClosed } = this.#connection
    return isDead || isClosed ? Number.POSITIVE_INFINITY : this.#requests.deadlineMs
  }

  expire(nowMs: number): void {
    if (nowMs < this.deadlineMs) return
    this.#connection.nowMs = nowMs
    this.#requests.expire()
  }
}
