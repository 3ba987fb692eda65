// The HTTP rules of one side, port and peer, as the proxy holds them.
import type { TraceHttpRule__Output } from '../gen/weir/v1/TraceHttpRule.ts'
import type { Identity } from '../lib/brands.ts'
import type { HttpRequest } from '../l7rules/http1/request.ts'
import type { HttpRule, PortPolicy, PortRule } from '../policy/network-policy.ts'
import { isPass, rulesOfPort } from '../policy/rule-order.ts'
import { conditionsText, missesOf } from './http-match.ts'
import type { RuleBook } from './rule-book.ts'

const MAX_SHOWN = 12

export interface TracedHttpRules {
  readonly rules: TraceHttpRule__Output[]
  readonly leftOut: number
}

/** @param request undefined = none: rules are listed in the order in which they are asked. */
export function traceHttpRules(
  ports: readonly PortPolicy[],
  port: number,
  peer: Identity,
  request: HttpRequest | undefined,
  book: RuleBook,
): TracedHttpRules {
  // Entries of single ports repeat the rules of those for any port.
  const applying = new Set(
    rulesOfPort(ports, port).filter(({ remoteIdentities }) => remoteIdentities?.includes(peer) !== false),
  )
  const rules = [...applying].flatMap((rule) => httpRulesOf(rule))
  const traced = rules.map(({ http, mode }) => {
    const misses = request === undefined ? [] : missesOf(http, request)
    return { http, mode, misses, matches: request !== undefined && misses.length === 0 }
  })
  // Stable: those that miss equally stay in their order.
  traced.sort((a, b) => a.misses.length - b.misses.length)
  return {
    rules: traced.slice(0, MAX_SHOWN).map(({ http, mode, misses, matches }) => ({
      rule: book.reference(http.name),
      mode,
      conditions: conditionsText(http),
      matches,
      misses,
    })),
    leftOut: Math.max(0, traced.length - MAX_SHOWN),
  }
}

/** A rule without restriction at L7 is one that every request fits. Denials and passes look at no request. */
function httpRulesOf(rule: PortRule): { readonly http: HttpRule; readonly mode: string }[] {
  const { name, deny, http, mode = 'enforce' } = rule
  // Without a name: a port entry without rules, which admits everybody.
  if (deny || isPass(rule) || name === '') return []
  if (http === undefined) return [{ http: { name, headers: [] }, mode }]
  return http.map((one) => ({ http: one, mode: one.mode ?? mode }))
}
