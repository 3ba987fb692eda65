// In which order the rules of a port are asked, and what of several port entries applies to it.
import type { PortPolicy, PortRule } from './network-policy.ts'

/** An entry without rules admits everybody, at the lowest precedence. */
const ALLOW_ALL: PortRule = {
  name: '',
  precedence: 0,
  deny: false,
  remoteIdentities: undefined,
  http: undefined,
}

export function isPass(rule: PortRule): boolean {
  return (rule.passPrecedence ?? 0) !== 0
}

/** Highest precedence first; at equal precedence deny, allow, pass. Sorting must be stable beyond that. */
export function compareRules(a: PortRule, b: PortRule): number {
  return b.precedence - a.precedence || rank(a) - rank(b)
}

function rank(rule: PortRule): number {
  if (rule.deny) return 0
  return isPass(rule) ? 2 : 1
}

/**
 * The rules of every entry that holds the port and of every any-port entry, in the order in which they are
 * asked. When neither exists the list is empty, which denies.
 */
export function rulesOfPort(ports: readonly PortPolicy[], port: number): readonly PortRule[] {
  return ports
    .filter((entry) => entry.port === 0 || (entry.port <= port && port <= entry.endPort))
    .flatMap((entry) => (entry.rules.length === 0 ? [ALLOW_ALL] : entry.rules))
    .sort(compareRules)
}
