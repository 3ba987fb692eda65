// The line of one HTTP exchange, in the format of lib/flow.ts, put together from parts that are escaped
// once: per connection, per verdict, or when a field changes. JSON.stringify would cost three times as much.
import type { FlowEndpoint, FlowVerdict } from '../lib/flow.ts'
import type { HttpExchange } from '../l7rules/http1/request.ts'
import type { Decision, Verdict } from '../l7rules/verdict.ts'
import { asciiJson, jsonEscape } from './json-string.ts'

/** What stays the same for all exchanges of a connection. Addresses in text form, ports in host order. */
export interface ConnectionFacts {
  readonly source: FlowEndpoint
  readonly destination: FlowEndpoint
  readonly sourceAddress: string
  readonly sourcePort: number
  readonly destinationAddress: string
  readonly destinationPort: number
}

/** Codes of a connection that somebody else ended: Weir dropped nothing. */
const ENDED_BY_PEER: ReadonlySet<string> = new Set([
  'HTTP_CONNECTION_LOST',
  'HTTP_UPSTREAM_CLOSED',
  'HTTP_BODY_TRUNCATED',
  'HTTP2_CLIENT_RESET',
  'HTTP2_SERVER_RESET',
])

export function isEndedByPeer(error: string): boolean {
  return ENDED_BY_PEER.has(error)
}

export interface Outcome {
  readonly verdict: FlowVerdict
  readonly dropReason: string
  /** Code of the parser, or the reason of the judge. */
  readonly reason: string
  /** What decided; with AUDIT what would have. */
  readonly decision: Decision
}

/**
 * A parse error drops whatever the judge said. A denial stays a denial when the peer goes away; an allowed
 * exchange that a peer cut short is an ERROR, because nothing was dropped here. An audited denial reads as
 * the denial would, but for the verdict.
 */
export function outcomeOf(verdict: Verdict, error: string): Outcome {
  const { audit, reason } = verdict
  if (error !== '' && !ENDED_BY_PEER.has(error))
    return { verdict: 'DROPPED', dropReason: error, reason: error, decision: verdict }
  if (!verdict.allowed) return { verdict: 'DROPPED', dropReason: 'POLICY_DENIED', reason, decision: verdict }
  if (audit !== undefined) return { verdict: 'AUDIT', dropReason: '', reason: audit.reason, decision: audit }
  if (error !== '') return { verdict: 'ERROR', dropReason: error, reason: error, decision: verdict }
  return { verdict: 'FORWARDED', dropReason: '', reason, decision: verdict }
}

export class ConnectionRecord {
  readonly #facts: string
  readonly #authority: string
  #verdict: Verdict | undefined
  #revision = -1
  #error = ''
  /** After the time stamp, up to the latency. */
  #head = ''
  /** After the summary, up to the byte counts. */
  #tail = ''
  #host = ''
  #hostText: string
  #method = ''
  #methodText = ''

  constructor(facts: ConnectionFacts) {
    const { sourceAddress, destinationAddress, sourcePort, destinationPort } = facts
    const isIPv6 = destinationAddress.includes(':')
    this.#facts = asciiJson({
      IP: { source: sourceAddress, destination: destinationAddress, ipVersion: isIPv6 ? 'IPv6' : 'IPv4' },
      l4: { TCP: { source_port: sourcePort, destination_port: destinationPort } },
      source: facts.source,
      destination: facts.destination,
      Type: 'L7',
    }).slice(1, -1)
    // HTTP/1.0 may name no host; the URL then shows where the request went.
    this.#authority = jsonEscape(
      `${isIPv6 ? `[${destinationAddress}]` : destinationAddress}:${destinationPort}`,
    )
    this.#hostText = this.#authority
  }

  /** One line with its newline, ASCII. `time` is RFC 3339. Strings of the exchange hold one byte per unit. */
  format(exchange: HttpExchange, revision: number, time: string): string {
    const { verdict, error, host, method, protocol } = exchange
    if (verdict !== this.#verdict || revision !== this.#revision || error !== this.#error) {
      this.#decide(verdict, revision, error)
    }
    if (host !== this.#host) {
      this.#host = host
      this.#hostText = host === '' ? this.#authority : jsonEscape(host)
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
      `{"time":"${time}",${this.#head}${nanoseconds(endedMs - startedMs)}","http":{"code":${exchange.status},"method":"${this.#methodText}"` +
      `,"url":"${url}","protocol":"${protocol}"}},"Summary":"${summary}",${this.#tail}` +
      `${exchange.requestBytes},"response_bytes":${exchange.responseBytes}${firstByte}${isGrpc && grpcStatus >= 0 ? `,"grpc_status":${grpcStatus}` : ''}}}\n`
    )
  }

  #decide(verdict: Verdict, revision: number, error: string): void {
    this.#verdict = verdict
    this.#revision = revision
    this.#error = error
    const outcome = outcomeOf(verdict, error)
    const drop = outcome.dropReason === '' ? '' : `,"drop_reason_desc":"${jsonEscape(outcome.dropReason)}"`
    this.#head = flat(
      `"verdict":"${outcome.verdict}"${drop},${this.#facts},"l7":{"type":"REQUEST","latency_ns":"`,
    )
    const { rule, direction } = outcome.decision
    this.#tail = flat(
      `"traffic_direction":"${direction === 'ingress' ? 'INGRESS' : 'EGRESS'}"` +
        `,"weir":{"where":"proxy","rule":"${jsonEscape(rule)}","reason":"${jsonEscape(outcome.reason)}"` +
        `,"revision":${revision}${findings(verdict)},"request_bytes":`,
    )
  }
}

/** Never negative. */
function nanoseconds(ms: number): number {
  return Math.max(0, Math.round(ms * 1e6))
}

/** What shadow rules and header actions found, as further fields of `weir`. */
function findings({ shadow, notes }: Verdict): string {
  let fields = ''
  if (shadow !== undefined) {
    const plan = shadow.allowed ? 'FORWARDED' : 'DROPPED'
    fields += `,"shadow":${asciiJson({ verdict: plan, rule: shadow.rule, reason: shadow.reason })}`
  }
  for (const kind of ['missing', 'rejected'] as const) {
    const found = (notes ?? []).filter((note) => note.kind === kind)
    const pairs = found.map(({ name, value }) => ({ key: name, value }))
    if (pairs.length > 0) fields += `,"${kind}_headers":${asciiJson(pairs)}`
  }
  return fields
}

/** A string made by concatenation is a tree that every later copy would have to walk: make it one piece. */
function flat(ascii: string): string {
  return Buffer.from(ascii, 'latin1').toString('latin1')
}
