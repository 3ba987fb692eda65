// The one number that decides between entries that match the same flow: higher wins, compared as u32.
//
//   bits 31..8  level: tier, and priority inside of it
//   bits  7..0  verdict: deny above redirect above allow, so that at one level a deny always wins
//
// Tiers leave room for what is not built yet. Only Normal and Default are used now:
//
//   Admin     0xC00000..0xFFFFFE   rules of the administrator, by priority
//   Normal    0x800000             CiliumNetworkPolicy: no priorities, one level
//   Baseline  0x400000..0x7FFFFF   fallback rules of the administrator, by priority
//   Default   0x000000             what applies when a direction is not closed by default
//
// Redirects have 253 values: parsers may be ranked when a port ever has more than one.
import type { PolicyMapVerdict } from './policy-map.ts'

const VERDICT_BITS: Readonly<Record<PolicyMapVerdict, number>> = { deny: 0xff, redirect: 0x80, allow: 0x01 }

export const NORMAL_LEVEL = 0x80_0000
export const DEFAULT_LEVEL = 0

export function precedence(level: number, verdict: PolicyMapVerdict): number {
  return level * 0x100 + VERDICT_BITS[verdict]
}
