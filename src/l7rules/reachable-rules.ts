// Which rules of a port can have a say for a peer, whatever the request: what does not depend on the request
// is decided when rules are compiled.
import type { PortRule } from '../policy/network-policy.ts'
import { looksAtRequests } from '../policy/request-rules.ts'
import { isPass } from '../policy/rule-order.ts'

export function hasActions(rule: PortRule): boolean {
  return rule.http?.some((http) => (http.headerActions?.length ?? 0) > 0) === true
}

/**
 * @param rules all that apply to the peer, in order.
 * @returns those that are asked, in order, without passes. Only the last can be a deny. An allow without rules
 * for requests decides for every one: only rules with header actions follow it, of its own precedence, because
 * these edit requests that others allowed.
 */
export function reachableRules(rules: readonly PortRule[]): PortRule[] {
  const result: PortRule[] = []
  let decided: number | undefined
  let skipFrom = Infinity
  for (const rule of rules) {
    if (rule.precedence >= skipFrom) continue
    skipFrom = Infinity
    if (decided !== undefined && rule.precedence < decided) break
    if (isPass(rule)) {
      // Passes come last at their precedence: an allow there that applies has been asked before.
      if (decided === undefined) skipFrom = rule.passPrecedence ?? 0
      continue
    }
    if (decided === undefined || hasActions(rule)) result.push(rule)
    if (rule.deny) break
    if (!looksAtRequests(rule)) decided ??= rule.precedence
  }
  return result
}
