// The rules for requests of one side, port and peer, as the proxy holds them.
import type { TraceRequestRule__Output } from '../gen/weir/v1/TraceRequestRule.ts'
import type { Identity } from '../lib/brands.ts'
import type { HttpRequest } from '../l7rules/http1/request.ts'
import type { PortPolicy, PortRule } from '../policy/network-policy.ts'
import { isPass, rulesOfPort } from '../policy/rule-order.ts'
import { conditionsText, missesOf } from './http-match.ts'
import { kafkaConditions, kafkaMisses, type KafkaTouch } from './kafka-match.ts'
import type { RuleBook } from './rule-book.ts'

const MAX_SHOWN = 12

export interface TracedRequestRules {
  readonly rules: TraceRequestRule__Output[]
  readonly leftOut: number
}

/** What rules are compared with. */
export interface TracedRequest {
  readonly http?: HttpRequest
  readonly kafka?: KafkaTouch
}

/** @param request undefined = none: rules are listed in the order in which they are asked. */
export function traceRequestRules(
  ports: readonly PortPolicy[],
  port: number,
  peer: Identity,
  request: TracedRequest | undefined,
  book: RuleBook,
): TracedRequestRules {
  // Entries of single ports repeat the rules of those for any port.
  const applying = new Set(
    rulesOfPort(ports, port).filter(({ remoteIdentities }) => remoteIdentities?.includes(peer) !== false),
  )
  const rules = [...applying].flatMap((rule) => tracedRulesOf(rule))
  const traced = rules.map(({ missesOf: misses, ...rule }) => {
    return { ...rule, misses: request === undefined ? undefined : misses(request) }
  })
  // Stable: those that miss equally stay in their order.
  traced.sort((a, b) => (a.misses?.length ?? 0) - (b.misses?.length ?? 0))
  return {
    rules: traced.slice(0, MAX_SHOWN).map(({ name, mode, conditions, misses }) => ({
      rule: book.reference(name),
      mode,
      conditions,
      matches: misses?.length === 0,
      misses: misses ?? [],
    })),
    leftOut: Math.max(0, traced.length - MAX_SHOWN),
  }
}

interface RequestRule {
  readonly name: string
  readonly mode: string
  readonly conditions: string
  readonly missesOf: (request: TracedRequest) => string[]
}

/** A rule without restriction at L7 is one that every request fits. Denials and passes look at no request. */
function tracedRulesOf(rule: PortRule): RequestRule[] {
  const { name, deny, http, kafka, mode = 'enforce' } = rule
  // Without a name: a port entry without rules, which admits everybody.
  if (deny || isPass(rule) || name === '') return []
  if (http === undefined && kafka === undefined) {
    return [{ name, mode, conditions: 'every request', missesOf: () => [] }]
  }
  const ofHttp = (http ?? []).map((one): RequestRule => ({
    name: one.name,
    mode: one.mode ?? mode,
    conditions: conditionsText(one),
    missesOf: (request) => (request.http === undefined ? ['it is for HTTP'] : missesOf(one, request.http)),
  }))
  const ofKafka = (kafka ?? []).map((one): RequestRule => ({
    name: one.name,
    mode: one.mode ?? mode,
    conditions: kafkaConditions(one),
    missesOf: (request) =>
      request.kafka === undefined ? ['it is for Kafka'] : kafkaMisses(one, request.kafka),
  }))
  return [...ofHttp, ...ofKafka]
}
