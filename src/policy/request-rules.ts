// The rules for single requests that a port rule or a grant holds, whatever their protocol.
import type { HttpRule, KafkaRule } from './network-policy.ts'

interface RequestRules {
  readonly http: readonly HttpRule[] | undefined
  readonly kafka?: readonly KafkaRule[]
}

/** undefined = every request is let through. */
export function requestRulesOf({ http, kafka }: RequestRules): readonly (HttpRule | KafkaRule)[] | undefined {
  return http ?? kafka
}

export function looksAtRequests(rules: RequestRules): boolean {
  return requestRulesOf(rules) !== undefined
}
