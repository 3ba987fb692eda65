// Modes of rules: which of them count at what strictness.
import type { HttpRule, PortRule, RuleMode } from './network-policy.ts'
import type { RuleVerdict } from './precedence.ts'

const RANK: Readonly<Record<RuleMode, number>> = { enforce: 0, audit: 1, shadow: 2 }

/** As a property to spread: absent when the rule is enforced. */
export function inMode(mode: RuleMode | undefined): { readonly mode?: RuleMode } {
  return mode === undefined || mode === 'enforce' ? {} : { mode }
}

export function countsUpTo(limit: RuleMode, { mode = 'enforce' }: PortRule | HttpRule): boolean {
  return RANK[mode] <= RANK[limit]
}

export function hasModes({ mode, http }: PortRule): boolean {
  return (
    (mode ?? 'enforce') !== 'enforce' || http?.some((one) => (one.mode ?? 'enforce') !== 'enforce') === true
  )
}

/**
 * What is left of a rule when weaker modes than `limit` are ignored; undefined = nothing. A rule whose HTTP
 * rules all go restricts nothing at L7.
 */
export function verdictUpTo(limit: RuleMode, verdict: RuleVerdict, rule: PortRule): RuleVerdict | undefined {
  if (!countsUpTo(limit, rule)) return undefined
  if (verdict !== 'redirect') return verdict
  return rule.http?.some((one) => countsUpTo(limit, one)) === true ? 'redirect' : 'allow'
}
