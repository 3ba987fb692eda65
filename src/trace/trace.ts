// What would become of a connection, and of one request on it: looked up in what is enforced, as the kernel and
// the proxy look it up, and explained by the rules that it was made from. Pure.
import type { TraceParty__Output } from '../gen/weir/v1/TraceParty.ts'
import type { TraceRequest__Output } from '../gen/weir/v1/TraceRequest.ts'
import type { TraceRequestVerdict__Output } from '../gen/weir/v1/TraceRequestVerdict.ts'
import type { TraceResponse__Output } from '../gen/weir/v1/TraceResponse.ts'
import type { TraceSide__Output } from '../gen/weir/v1/TraceSide.ts'
import { isTcp, type ProtocolPort } from '../lib/protocols.ts'
import type { Decision as VerdictDecision } from '../l7rules/verdict.ts'
import { shownLabels } from '../policy/cidr-labels.ts'
import type { NetworkPolicy } from '../policy/network-policy.ts'
import type { TraceWorld } from '../policy/trace-world.ts'
import { nameOf, notesOf } from './notes.ts'
import { isHypothesis, resolveParty, type Party } from './party.ts'
import { readKafka } from './kafka-request.ts'
import { accessText } from './kafka-match.ts'
import {
  judgeByProxy,
  type AskedRequest,
  type JudgedRequest,
  type ProxyJudgement,
} from './proxy-judgement.ts'
import { traceRequestRules } from './request-rules.ts'
import { RuleBook } from './rule-book.ts'
import { suppose } from './scratch-world.ts'
import { describeElements, describeEntry, traceSide, type Side } from './side.ts'

/** @throws WeirError NOT_FOUND or CONFIG_INVALID when an end or the request makes no sense. */
export function trace(request: TraceRequest__Output, world: TraceWorld): TraceResponse__Output {
  const kafka = request.kafka === null ? null : readKafka(request.kafka)
  const ends = [resolveParty(request.from, world), resolveParty(request.to, world)]
  const hypotheses = ends.filter(isHypothesis)
  const supposed = hypotheses.length === 0 ? { world, parties: [] } : suppose(world, hypotheses)
  const parties = supposed.parties[Symbol.iterator]()
  const [source, destination] = ends.map((end) => (isHypothesis(end) ? parties.next().value : end))
  if (source === undefined || destination === undefined) throw new Error('a traced end was lost')
  return traceFlow(supposed.world, source, destination, request, { http: request.http, kafka })
}

function traceFlow(
  world: TraceWorld,
  source: Party,
  destination: Party,
  { protocol, port }: ProtocolPort,
  asked: AskedRequest,
): TraceResponse__Output {
  const flow = { protocol, port }
  const sides: Side[] = []
  if (source.endpoint !== undefined)
    sides.push(traceSide(world, 'egress', source.endpoint, destination, flow))
  if (destination.endpoint !== undefined) {
    sides.push(traceSide(world, 'ingress', destination.endpoint, source, flow))
  }
  const book = new RuleBook(world.repository)
  const kernel = judgeByKernel(sides)
  const isProxied = kernel.verdict === 'redirected' && isTcp(protocol)
  const proxy = isProxied ? judgeByProxy(world, source, destination, port, asked) : undefined
  const decision = decisionOf(kernel, proxy)
  return {
    verdict: decision.verdict,
    outcome: decision.outcome,
    where: decision.where,
    direction: decision.direction,
    reason: decision.reason,
    rule: decision.rule === '' ? null : book.reference(decision.rule),
    source: describeParty(source),
    destination: describeParty(destination),
    protocol,
    port,
    sides: sides.map((side) => describeSide(side, world, port, isProxied, proxy, book)),
    request: proxy?.kind === 'request' ? describeRequest(proxy) : null,
    notes: notesOf(world, [source, destination], sides, {
      isProxied: kernel.verdict === 'redirected',
      hasRequest: asked.http !== null || asked.kafka !== null,
      ofProxy: proxy?.kind === 'connection' ? proxy.note : '',
    }),
    revision: world.revision,
  }
}

interface Decision {
  readonly verdict: 'allowed' | 'denied' | 'redirected'
  readonly outcome: string
  readonly where: 'kernel' | 'proxy'
  readonly direction: string
  readonly reason: string
  /** '' = none. */
  readonly rule: string
}

/** Both ends in one pass, as judge_flow of bpf/include/policy.h: the source's egress comes first. */
function judgeByKernel(sides: readonly Side[]): Decision {
  const denying = sides.find(({ verdict }) => verdict === 'deny')
  if (denying !== undefined) {
    const { entry, direction } = denying
    const reason = entry === undefined ? 'POLICY_DENIED' : 'POLICY_DENY'
    return {
      verdict: 'denied',
      outcome: 'dropped',
      where: 'kernel',
      direction,
      reason,
      rule: ruleOf(denying),
    }
  }
  const redirecting = sides.find(({ verdict }) => verdict === 'redirect')
  const decider = redirecting ?? sides.at(-1)
  return {
    verdict: redirecting === undefined ? 'allowed' : 'redirected',
    outcome: redirecting === undefined ? 'allow' : 'redirect',
    where: 'kernel',
    direction: decider?.direction ?? '',
    reason: '',
    rule: decider === undefined ? '' : ruleOf(decider),
  }
}

/** Without a rule that covers the flow, what closes the direction is to blame. */
function ruleOf({ verdict, decision, closing }: Side): string {
  // Rules that come to something else than the map explain nothing.
  if (decision.by !== undefined) return decision.verdict === verdict ? decision.by.name : ''
  return verdict === 'deny' ? (closing[0]?.name ?? '') : ''
}

function decisionOf(kernel: Decision, proxy: ProxyJudgement | undefined): Decision {
  if (proxy === undefined) return kernel
  if (proxy.kind === 'open') return { ...kernel, where: 'proxy' }
  const { decision } = proxy
  const outcome = outcomeOf(proxy)
  return {
    verdict: outcome === 'allow' ? 'allowed' : 'denied',
    outcome,
    where: 'proxy',
    direction: decision.direction,
    reason: proxy.kind === 'request' && proxy.error !== '' ? proxy.error : decision.reason,
    rule: decision.rule,
  }
}

function outcomeOf(proxy: Exclude<ProxyJudgement, { kind: 'open' }>): string {
  if (proxy.isAllowed) return 'allow'
  return proxy.kind === 'request' ? proxy.outcome : 'reset'
}

function describeParty({
  given,
  identity,
  labels,
  endpoint,
  address,
  isHypothetical,
}: Party): TraceParty__Output {
  return {
    given,
    identity,
    labels: shownLabels(labels),
    endpoint: endpoint === undefined || isHypothetical ? '' : nameOf(endpoint),
    endpointId: endpoint === undefined || isHypothetical ? 0 : endpoint.id,
    address: address ?? '',
    isHypothetical,
  }
}

function describeSide(
  side: Side,
  world: TraceWorld,
  port: number,
  isProxied: boolean,
  proxy: ProxyJudgement | undefined,
  book: RuleBook,
): TraceSide__Output {
  const { direction, endpoint, peer, enforced, closing, verdict } = side
  const { rules, leftOut } = describeElements(side, book)
  const policy: NetworkPolicy | undefined = world.repository.endpointPolicy(endpoint.id)?.networkPolicy
  const listed = isProxied && proxy?.kind !== 'request'
  const requests = listed
    ? traceRequestRules(policy?.[direction] ?? [], port, peer.identity, undefined, book)
    : proxy?.kind === 'request'
      ? proxy.requestRules(direction, book)
      : { rules: [], leftOut: 0 }
  const rule = ruleOf(side)
  return {
    direction,
    endpoint: nameOf(endpoint),
    enforced,
    closedBy: closing.filter(({ mode }) => mode === 'enforce').map(({ name }) => book.reference(name)),
    verdict,
    entry: describeEntry(side),
    rule: rule === '' ? null : book.reference(rule),
    rules,
    rulesLeftOut: leftOut,
    requestRules: requests.rules,
    requestRulesLeftOut: requests.leftOut,
  }
}

function describeRequest(proxy: JudgedRequest): TraceRequestVerdict__Output {
  const { http, isAllowed, status, error, summary, accesses, verdict } = proxy
  const planned = (one: VerdictDecision | undefined): string => {
    if (one === undefined) return ''
    return `${one.allowed ? 'allowed' : 'denied'}: ${one.reason}${one.rule === '' ? '' : ` in ${one.rule}`}`
  }
  return {
    method: http?.method ?? '',
    path: http?.path ?? '',
    host: http?.host ?? '',
    summary,
    accesses: accesses.map(({ access, verdict: one }) => `${accessText(access)}: ${planned(one)}`),
    allowed: isAllowed,
    status: isAllowed ? 0 : status,
    error,
    audit: planned(verdict?.audit),
    shadow: planned(verdict?.shadow),
    // Without values: they may be secrets.
    edits: (verdict?.edits ?? []).map(({ name, removes, adds }) => {
      const what = adds.length === 0 ? 'removed' : removes ? 'replaced' : 'added'
      return `header ${name} ${what}`
    }),
  }
}
