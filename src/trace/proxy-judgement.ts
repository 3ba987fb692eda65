// What the proxy does with a connection that the kernel steers to it: the snapshot compiled and the request
// parsed and judged by the proxy's own code.
import type { TraceHttp__Output } from '../gen/weir/v1/TraceHttp.ts'
import type { Identity } from '../lib/brands.ts'
import type { HttpRequest } from '../l7rules/http1/request.ts'
import { joinSides } from '../l7rules/moded-side.ts'
import { compileSnapshot, type ConnectionPolicy } from '../l7rules/snapshot.ts'
import { planOf, type Decision, type Verdict } from '../l7rules/verdict.ts'
import { kafkaApiName } from '../policy/kafka-apis.ts'
import type { Direction, NetworkPolicy } from '../policy/network-policy.ts'
import type { TraceWorld } from '../policy/trace-world.ts'
import { sendRequest } from './http-request.ts'
import type { KafkaTouch } from './kafka-match.ts'
import type { TracedKafka } from './kafka-request.ts'
import type { Party } from './party.ts'
import { traceRequestRules, type TracedRequest, type TracedRequestRules } from './request-rules.ts'
import type { RuleBook } from './rule-book.ts'

export type ProxyJudgement =
  /** Requests are judged, and none was given. */
  | { readonly kind: 'open' }
  /** The verdict does not depend on requests. */
  | {
      readonly kind: 'connection'
      readonly decision: Decision
      readonly isAllowed: boolean
      /** What the reader should know; '' = nothing. */
      readonly note: string
    }
  | JudgedRequest

interface JudgedAccess extends KafkaTouch {
  readonly verdict: Verdict
}

export interface JudgedRequest {
  readonly kind: 'request'
  readonly decision: Decision
  readonly isAllowed: boolean
  /** Of a denial: `reset`, `unauthorized`, or the status of the answer. */
  readonly outcome: string
  readonly status: number
  readonly error: string
  /** `GET /path`, `Produce`. */
  readonly summary: string
  readonly http: Pick<HttpRequest, 'method' | 'path' | 'host'> | undefined
  /** What a Kafka request touches. */
  readonly accesses: readonly JudgedAccess[]
  /** undefined = no rule was asked. */
  readonly verdict: Verdict | undefined
  /** Rules of one side against the request. */
  readonly requestRules: (direction: Direction, book: RuleBook) => TracedRequestRules
}

/** The request of a trace; at most one of them. */
export interface AskedRequest {
  readonly http: TraceHttp__Output | null
  readonly kafka: TracedKafka | null
}

export function judgeByProxy(
  world: TraceWorld,
  source: Party,
  destination: Party,
  port: number,
  { http, kafka }: AskedRequest,
): ProxyJudgement {
  const policyOf = ({ endpoint }: Party): NetworkPolicy[] => {
    const policy = endpoint === undefined ? undefined : world.repository.endpointPolicy(endpoint.id)
    return policy === undefined ? [] : [policy.networkPolicy]
  }
  const isLoop = source.endpoint === destination.endpoint
  const policies = [...policyOf(source), ...(isLoop ? [] : policyOf(destination))]
  const snapshot = compileSnapshot({ revision: world.revision, policies, endpoints: [], identities: [] })
  const connection = snapshot.connection({
    egressEndpoint: source.endpoint?.id ?? 0,
    ingressEndpoint: destination.endpoint?.id ?? 0,
    sourceIdentity: source.identity,
    destinationIdentity: destination.identity,
    destinationPort: port,
  })
  if (connection.kind === 'allow' || connection.kind === 'deny') return fixed(connection.verdict)
  if (http === null && kafka === null) return { kind: 'open' }
  const sides: Side[] = [
    ['egress', policyOf(source)[0], destination.identity],
    ['ingress', policyOf(destination)[0], source.identity],
  ]
  const explain = (request: TracedRequest | undefined): JudgedRequest['requestRules'] => {
    return (direction, book) => {
      const [, policy, peer] = sides.find(([one]) => one === direction) ?? []
      if (policy === undefined || peer === undefined || request === undefined) return NO_RULES
      return traceRequestRules(policy[direction], port, peer, request, book)
    }
  }
  if (connection.kind === 'http' && http !== null) {
    return judgeHttp(connection, http, hostOf(destination), sides, explain)
  }
  if (connection.kind === 'kafka' && kafka !== null) return judgeAccesses(connection, kafka, explain)
  const [spoken, asked] = connection.kind === 'kafka' ? ['Kafka', 'HTTP'] : ['HTTP', 'Kafka']
  return {
    kind: 'connection',
    decision: connection.unparseable,
    // Where nothing enforced restricts the connection, the proxy only looks on.
    isAllowed: connection.unparseable.allowed && connection.isAdvisory,
    note: `the rules of this port are for ${spoken}, the request is ${asked}`,
  }
}

type Side = readonly [Direction, NetworkPolicy | undefined, Identity]
type Explain = (request: TracedRequest | undefined) => JudgedRequest['requestRules']
const NO_RULES: TracedRequestRules = { rules: [], leftOut: 0 }

function fixed(verdict: Verdict): ProxyJudgement {
  return { kind: 'connection', decision: verdict, isAllowed: verdict.allowed, note: '' }
}

function judgeHttp(
  { judge, isAdvisory, unparseable }: Extract<ConnectionPolicy, { kind: 'http' }>,
  http: TraceHttp__Output,
  defaultHost: string,
  sides: readonly Side[],
  explain: Explain,
): JudgedRequest {
  let seen: Pick<HttpRequest, 'method' | 'path' | 'host'> = http
  const copies = new Map<string, readonly string[]>()
  let copy: HttpRequest | undefined
  const { verdict, status, error } = sendRequest(http, defaultHost, judge, (request) => {
    const { method, target, path, host } = request
    seen = { method, path, host }
    // The parser's request is gone after this call; rules are explained later, and ask for these headers only.
    for (const name of headerNames(sides)) copies.set(name, [...request.header(name)])
    copy = { method, target, path, host, header: (name) => copies.get(name) ?? [] }
  })
  const decision = verdict ?? unparseable
  return {
    kind: 'request',
    decision,
    // Where nothing enforced restricts the connection, the proxy only looks on.
    isAllowed: decision.allowed && (error === '' || isAdvisory),
    outcome: status === 0 ? 'reset' : String(status),
    status,
    error,
    summary: `${seen.method} ${seen.path}`,
    http: seen,
    accesses: [],
    verdict,
    requestRules: explain(copy === undefined ? undefined : { http: copy }),
  }
}

/** A request is allowed when all that it touches is. */
function judgeAccesses(
  { judge }: Extract<ConnectionPolicy, { kind: 'kafka' }>,
  { request, accesses: touched }: TracedKafka,
  explain: Explain,
): JudgedRequest {
  const accesses = touched.map((access): JudgedAccess => ({
    request,
    access,
    verdict: judge.judge(request, access),
  }))
  const verdict = accesses.map((one) => one.verdict).reduce(joinSides)
  const isSpared = ({ verdict: one }: JudgedAccess): boolean =>
    one.audit !== undefined || !planOf(one).allowed
  const explained = accesses.find((one) => !one.verdict.allowed) ?? accesses.find(isSpared) ?? accesses[0]
  return {
    kind: 'request',
    decision: verdict,
    isAllowed: verdict.allowed,
    outcome: 'unauthorized',
    status: 0,
    error: '',
    summary: kafkaApiName(request.apiKey),
    http: undefined,
    accesses,
    verdict,
    requestRules: explain(explained === undefined ? undefined : { kafka: explained }),
  }
}

function headerNames(sides: readonly Side[]): Set<string> {
  const names = new Set<string>()
  for (const [direction, policy] of sides) {
    const rules = (policy?.[direction] ?? []).flatMap((entry) =>
      entry.rules.flatMap(({ http }) => http ?? []),
    )
    for (const { headers, matchers = [], headerActions = [] } of rules) {
      for (const { name } of [...headers, ...matchers, ...headerActions]) names.add(name)
    }
  }
  return names
}

/** As a client that knows nothing better writes it. */
function hostOf({ address, endpoint, given }: Party): string {
  const first = address ?? endpoint?.addresses[0]
  if (first !== undefined) return first.includes(':') ? `[${first}]` : first
  return endpoint?.name ?? (/^[A-Za-z0-9.-]+$/.test(given) ? given : 'unknown')
}
