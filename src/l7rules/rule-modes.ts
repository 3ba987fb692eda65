// Modes of rules, by which a policy is judged up to three times: with its enforced rules, with those in audit
// too, and with the shadow ones too. docs/policy.md, "Modes", says what becomes of the results.
import type { HttpRule, PortRule, RuleMode } from '../policy/network-policy.ts'

const RANK: Readonly<Record<RuleMode, number>> = { enforce: 0, audit: 1, shadow: 2 }

/** Whether a rule, or one of its HTTP rules, has `mode`. */
export function hasMode(rule: PortRule, mode: RuleMode): boolean {
  return rule.mode === mode || rule.http?.some((http) => http.mode === mode) === true
}

/**
 * What remains of `rules` without the modes that are weaker than `mode`. A rule whose HTTP rules all go
 * restricts nothing at L7 any more: its peer and port are enforced, its HTTP rules are not yet.
 */
export function withModesUpTo(mode: RuleMode, rules: readonly PortRule[]): PortRule[] {
  const limit = RANK[mode]
  const isIn = (rule: PortRule | HttpRule): boolean => RANK[rule.mode ?? 'enforce'] <= limit
  return rules.filter(isIn).map((rule) => {
    if (rule.http === undefined || rule.http.every(isIn)) return rule
    const http = rule.http.filter(isIn)
    return { ...rule, http: http.length === 0 ? undefined : http }
  })
}
