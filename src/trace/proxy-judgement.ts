// What the proxy does with a connection that the kernel steers to it: the snapshot compiled and the request
// parsed and judged by the proxy's own code.
import type { TraceHttp__Output } from '../gen/weir/v1/TraceHttp.ts'
import type { Identity } from '../lib/brands.ts'
import type { HttpRequest } from '../l7rules/http1/request.ts'
import { compileSnapshot, type ConnectionPolicy } from '../l7rules/snapshot.ts'
import type { Decision, Verdict } from '../l7rules/verdict.ts'
import type { Direction, NetworkPolicy } from '../policy/network-policy.ts'
import type { TraceWorld } from '../policy/trace-world.ts'
import { traceHttpRules, type TracedHttpRules } from './http-rules.ts'
import type { Party } from './party.ts'
import { sendRequest } from './request.ts'
import type { RuleBook } from './rule-book.ts'

export type ProxyJudgement =
  /** Requests are judged, and none was given. */
  | { readonly kind: 'open' }
  /** The verdict does not depend on requests. */
  | { readonly kind: 'connection'; readonly decision: Decision; readonly isAllowed: boolean }
  | {
      readonly kind: 'request'
      readonly decision: Decision
      readonly isAllowed: boolean
      readonly status: number
      readonly error: string
      readonly seen: Pick<HttpRequest, 'method' | 'path' | 'host'>
      /** undefined = no rule was asked. */
      readonly verdict: Verdict | undefined
      /** Rules of one side against the request. */
      readonly httpRules: (direction: Direction, book: RuleBook) => TracedHttpRules
    }

export function judgeByProxy(
  world: TraceWorld,
  source: Party,
  destination: Party,
  port: number,
  http: TraceHttp__Output | undefined,
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
  if (connection.kind === 'kafka') return { kind: 'open' }
  if (connection.kind !== 'http') {
    return { kind: 'connection', decision: connection.verdict, isAllowed: connection.verdict.allowed }
  }
  if (http === undefined) return { kind: 'open' }
  const sides: [Direction, NetworkPolicy | undefined, Identity][] = [
    ['egress', policyOf(source)[0], destination.identity],
    ['ingress', policyOf(destination)[0], source.identity],
  ]
  return judgeRequest(connection, http, hostOf(destination), port, sides)
}

function judgeRequest(
  { judge, isAdvisory, unparseable }: Extract<ConnectionPolicy, { kind: 'http' }>,
  http: TraceHttp__Output,
  defaultHost: string,
  port: number,
  sides: readonly (readonly [Direction, NetworkPolicy | undefined, Identity])[],
): ProxyJudgement {
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
    status,
    error,
    seen,
    verdict,
    httpRules: (direction, book) => {
      const [, policy, peer] = sides.find(([one]) => one === direction) ?? []
      if (policy === undefined || peer === undefined || copy === undefined) return { rules: [], leftOut: 0 }
      return traceHttpRules(policy[direction], port, peer, copy, book)
    },
  }
}

function headerNames(
  sides: readonly (readonly [Direction, NetworkPolicy | undefined, Identity])[],
): Set<string> {
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
