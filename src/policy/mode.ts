// Modes of rules: which of them count at what strictness. A policy is judged up to three times: with its
// enforced rules, with those in audit too, and with the shadow ones too. docs/policy.md, "Modes", says what
// becomes of the results.
import type { PortRule, RuleMode } from './network-policy.ts'
import type { RuleVerdict } from './precedence.ts'
import { requestRulesOf } from './request-rules.ts'

const RANK: Readonly<Record<RuleMode, number>> = { enforce: 0, audit: 1, shadow: 2 }

interface Moded {
  /** Absent = enforce. */
  readonly mode?: RuleMode
}

/** As a property to spread: absent when the rule is enforced. */
export function inMode(mode: RuleMode | undefined): Moded {
  return mode === undefined || mode === 'enforce' ? {} : { mode }
}

export function countsUpTo(limit: RuleMode, { mode = 'enforce' }: Moded): boolean {
  return RANK[mode] <= RANK[limit]
}

/** Whether a rule, or one of its rules for requests, has `mode`. */
export function hasMode(rule: PortRule, mode: Exclude<RuleMode, 'enforce'>): boolean {
  return rule.mode === mode || requestRulesOf(rule)?.some((one) => one.mode === mode) === true
}

export function hasModes(rule: PortRule): boolean {
  return hasMode(rule, 'audit') || hasMode(rule, 'shadow')
}

/**
 * What is left of a rule when weaker modes than `limit` are ignored; undefined = nothing. A rule whose rules
 * for requests all go restricts nothing at L7: its peer and port are enforced, those are not yet.
 */
export function ruleUpTo(limit: RuleMode, rule: PortRule): PortRule | undefined {
  if (!countsUpTo(limit, rule)) return undefined
  if (requestRulesOf(rule)?.every((one) => countsUpTo(limit, one)) !== false) return rule
  const { kafka: allKafka, ...rest } = rule
  const http = rule.http?.filter((one) => countsUpTo(limit, one))
  const kafka = allKafka?.filter((one) => countsUpTo(limit, one))
  return {
    ...rest,
    http: http?.length === 0 ? undefined : http,
    ...(kafka === undefined || kafka.length === 0 ? {} : { kafka }),
  }
}

/** What remains of `rules` without the modes that are weaker than `limit`. */
export function rulesUpTo(limit: RuleMode, rules: readonly PortRule[]): PortRule[] {
  return rules.flatMap((rule) => ruleUpTo(limit, rule) ?? [])
}

/** The verdict of what `ruleUpTo` leaves. */
export function verdictUpTo(limit: RuleMode, verdict: RuleVerdict, rule: PortRule): RuleVerdict | undefined {
  if (!countsUpTo(limit, rule)) return undefined
  if (verdict !== 'redirect') return verdict
  return requestRulesOf(rule)?.some((one) => countsUpTo(limit, one)) === true ? 'redirect' : 'allow'
}
