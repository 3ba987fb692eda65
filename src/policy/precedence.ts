// The one number that decides between rules that match the same flow: higher wins, compared as u32.
//
//   bits 31..8  level: tier, and priority inside of it
//   bits  7..0  verdict: deny above redirect above allow above pass, so that at one level a deny always wins
//
//   Admin     0xC00000..0xFFFFFE   ClusterNetworkPolicy, by priority, then place in the policy
//   Normal    0x800000             CiliumNetworkPolicy, its clusterwide twin, NetworkPolicy: one level
//             0x7FFFFF             default deny: what no rule of the tiers above decides
//   Baseline  0x400000..0x7FFFFE   ClusterNetworkPolicy, by priority, then place in the policy
//   Default   0x000000             what applies when a direction is not closed by default
//
// Redirects have 253 values: parsers may be ranked when a port ever has more than one.

export type RuleVerdict = 'allow' | 'deny' | 'redirect' | 'pass'
export type Tier = 'admin' | 'normal' | 'baseline'

const VERDICT_BITS: Readonly<Record<RuleVerdict, number>> = {
  deny: 0xff,
  redirect: 0x80,
  allow: 0x01,
  pass: 0,
}

export const NORMAL_LEVEL = 0x80_0000
export const DEFAULT_DENY_LEVEL = 0x7f_ffff
export const DEFAULT_LEVEL = 0

const HIGHEST_LEVELS = { admin: 0xff_fffe, baseline: 0x7f_fffe } as const
const LOWEST_LEVELS: Readonly<Record<Tier, number>> = {
  admin: 0xc0_0000,
  normal: DEFAULT_DENY_LEVEL,
  baseline: 0x40_0000,
}

export const LAST_PRIORITY = 1000
export const MAX_RULES_PER_DIRECTION = 25

/** @param priority 0 (first) to LAST_PRIORITY. @param index place among the rules of the direction, from 0. */
export function tierLevel(tier: 'admin' | 'baseline', priority: number, index: number): number {
  return HIGHEST_LEVELS[tier] - (priority * MAX_RULES_PER_DIRECTION + index)
}

export function precedence(level: number, verdict: RuleVerdict): number {
  return level * 0x100 + VERDICT_BITS[verdict]
}

/** What a pass at `level` leads below: the first precedence that does not belong to a lower tier. */
export function passPrecedence(level: number): number {
  const tier = level >= LOWEST_LEVELS.admin ? 'admin' : level >= LOWEST_LEVELS.normal ? 'normal' : 'baseline'
  return LOWEST_LEVELS[tier] * 0x100
}
