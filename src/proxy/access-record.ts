// The line of one exchange, in the format of lib/flow.ts, put together from parts that are escaped
// once: per connection, per verdict, or when a field changes. JSON.stringify would cost three times as much.
import type { FlowEndpoint } from '../lib/flow.ts'
import type { HttpExchange } from '../l7rules/http1/request.ts'
import { apiName } from '../l7rules/kafka/api.ts'
import type { KafkaExchange } from '../l7rules/kafka/exchange.ts'
import type { Verdict } from '../l7rules/verdict.ts'
import { jsonEscape } from './json-string.ts'
import { flat, RecordParts, type VerdictText } from './record-parts.ts'

/** What stays the same for all exchanges of a connection. Addresses in text form, ports in host order. */
export interface ConnectionFacts {
  readonly source: FlowEndpoint
  readonly destination: FlowEndpoint
  readonly sourceAddress: string
  readonly sourcePort: number
  readonly destinationAddress: string
  readonly destinationPort: number
}

export class ConnectionRecord {
  readonly #destination: string
  readonly #destinationPort: number
  readonly #parts: RecordParts
  /** Addresses and ports. */
  readonly #connection: string
  readonly #ends: string
  #verdict: Verdict | undefined
  #revision = -1
  #error = ''
  #verdictText: VerdictText | undefined
  #host = ''
  #hostText = ''
  #method = ''
  #methodText = ''

  /** @param parts shared by all connections. */
  constructor(facts: ConnectionFacts, parts = new RecordParts()) {
    const { sourceAddress, destinationAddress, sourcePort, destinationPort } = facts
    this.#destination = destinationAddress
    this.#destinationPort = destinationPort
    this.#parts = parts
    this.#connection = flat(
      `"IP":{"source":"${sourceAddress}","destination":"${destinationAddress}","ipVersion":"${isIPv6(destinationAddress) ? 'IPv6' : 'IPv4'}"}` +
        `,"l4":{"TCP":{"source_port":${sourcePort},"destination_port":${destinationPort}}},`,
    )
    this.#ends = parts.ends(facts.source, facts.destination)
  }

  /** One line with its newline, ASCII. `time` is RFC 3339. Strings of the exchange hold one byte per unit. */
  format(exchange: HttpExchange, revision: number, time: string): string {
    const { verdict, error, host, method, protocol } = exchange
    const text = this.#verdictTextOf(verdict, revision, error)
    if (host !== this.#host || this.#hostText === '') {
      this.#host = host
      // HTTP/1.0 may name no host; the URL then shows where the request went.
      this.#hostText = host === '' ? this.#authority() : jsonEscape(host)
    }
    if (method !== this.#method) {
      this.#method = method
      this.#methodText = jsonEscape(method)
    }
    const url = `http://${this.#hostText}${jsonEscape(exchange.path)}`
    const { grpcStatus } = exchange
    const isGrpc = grpcStatus !== undefined
    // Service and method are the path of a call.
    const summary = isGrpc
      ? `gRPC ${jsonEscape(exchange.path.slice(1))}`
      : `${protocol} ${this.#methodText} ${url}`
    const { startedMs, endedMs, respondedMs = 0 } = exchange
    const firstByte = respondedMs === 0 ? '' : `,"first_byte_ns":${nanoseconds(respondedMs - startedMs)}`
    return (
      `{"time":"${time}",${text.head}${this.#connection}${this.#ends}"l7":{"type":"REQUEST","latency_ns":"` +
      `${nanoseconds(endedMs - startedMs)}","http":{"code":${exchange.status},"method":"${this.#methodText}"` +
      `,"url":"${url}","protocol":"${protocol}"}},"Summary":"${summary}",${text.tail}` +
      `${exchange.requestBytes},"response_bytes":${exchange.responseBytes}${firstByte}${isGrpc && grpcStatus >= 0 ? `,"grpc_status":${grpcStatus}` : ''}}}\n`
    )
  }

  /** As `format`. */
  formatKafka(exchange: KafkaExchange, revision: number, time: string): string {
    const { verdict, error, request, correlationId, errorCode, topic } = exchange
    const text = this.#verdictTextOf(verdict, revision, error)
    const { startedMs, endedMs, respondedMs } = exchange
    const firstByte = respondedMs === 0 ? '' : `,"first_byte_ns":${nanoseconds(respondedMs - startedMs)}`
    const api = apiName(request.apiKey)
    const name = jsonEscape(topic)
    const about = topic === '' ? '' : ` topic ${name}`
    return (
      `{"time":"${time}",${text.head}${this.#connection}${this.#ends}"l7":{"type":"REQUEST","latency_ns":"` +
      `${nanoseconds(endedMs - startedMs)}","kafka":{"error_code":${errorCode},"api_version":${request.apiVersion}` +
      `,"api_key":"${api}","correlation_id":${correlationId},"topic":"${name}"}},"Summary":"Kafka ${api} v${request.apiVersion}${about}",` +
      `${text.tail}${exchange.requestBytes},"response_bytes":${exchange.responseBytes}${firstByte}}}\n`
    )
  }

  #verdictTextOf(verdict: Verdict, revision: number, error: string): VerdictText {
    const known = this.#verdictText
    if (
      known !== undefined &&
      verdict === this.#verdict &&
      revision === this.#revision &&
      error === this.#error
    ) {
      return known
    }
    this.#verdict = verdict
    this.#revision = revision
    this.#error = error
    this.#verdictText = this.#parts.verdict(verdict, revision, error)
    return this.#verdictText
  }

  #authority(): string {
    const address = this.#destination
    return `${isIPv6(address) ? `[${address}]` : address}:${this.#destinationPort}`
  }
}

/** Never negative. */
function nanoseconds(ms: number): number {
  return Math.max(0, Math.round(ms * 1e6))
}

function isIPv6(address: string): boolean {
  return address.includes(':')
}
