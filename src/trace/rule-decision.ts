// Which of the rules that match decides, as their precedence says: for the explanation only. What is enforced
// comes from the policy map.
import { countsUpTo } from '../policy/mode.ts'
import type { HttpRule, KafkaRule, RuleMode } from '../policy/network-policy.ts'
import type { PolicyMapVerdict } from '../policy/policy-map.ts'
import { DEFAULT_DENY_LEVEL, passPrecedence, precedence, type RuleVerdict } from '../policy/precedence.ts'
import type { RuleElement } from '../policy/rule-model.ts'

/** A rule element that covers the flow. */
export interface Candidate {
  readonly name: string
  readonly element: RuleElement
  /** Of the grants that cover the port; undefined = no restriction at L7. */
  readonly requests: RequestRules
}

type RequestRules = readonly (HttpRule | KafkaRule)[] | undefined

export interface Closing {
  readonly name: string
  readonly mode: RuleMode
}

/** Higher first. */
export function rank({ element, requests }: Candidate): number {
  return precedence(element.level, verdictOf(element, requests))
}

export function verdictOf({ action }: RuleElement, requests: RequestRules): RuleVerdict {
  return action === 'allow' && requests !== undefined ? 'redirect' : action
}

/** `by` undefined = the default of the direction. */
interface Decision {
  readonly verdict: Exclude<RuleVerdict, 'pass'>
  readonly by: Candidate | undefined
}

export interface Decisions {
  readonly verdict: PolicyMapVerdict
  /** That the verdict is owed to. */
  readonly by: Candidate | undefined
}

/** @param candidates in any order. @param closing what closes the direction by default. */
export function decide(candidates: readonly Candidate[], closing: readonly Closing[]): Decisions {
  const ordered = [...candidates].sort((a, b) => rank(b) - rank(a))
  const upTo = (limit: RuleMode): Decision => decideUpTo(limit, ordered, closing)
  const enforced = upTo('enforce')
  const audited = upTo('audit')
  const planned = upTo('shadow')
  if (enforced.verdict === 'deny' && audited.verdict === 'deny') return { verdict: 'deny', by: enforced.by }
  const redirecting = [enforced, audited, planned].find(({ verdict }) => verdict === 'redirect')
  if (redirecting !== undefined) return { verdict: 'redirect', by: redirecting.by }
  const allowing = enforced.verdict === 'allow' ? enforced : audited
  const isReported = audited.verdict === 'deny' || planned.verdict === 'deny'
  return { verdict: isReported ? 'audit' : 'allow', by: allowing.by }
}

function decideUpTo(limit: RuleMode, ordered: readonly Candidate[], closing: readonly Closing[]): Decision {
  const isClosed = closing.some((one) => countsUpTo(limit, one))
  let below = Infinity
  for (const candidate of ordered) {
    const { element, requests } = candidate
    if (!countsUpTo(limit, element)) continue
    const height = rank(candidate)
    if (height >= below) continue
    if (isClosed && height < precedence(DEFAULT_DENY_LEVEL, 'pass')) break
    const verdict = verdictOf(element, requests)
    if (verdict === 'pass') {
      below = passPrecedence(element.level)
      continue
    }
    if (verdict !== 'redirect') return { verdict, by: candidate }
    const isJudged = requests?.some((rule) => countsUpTo(limit, rule)) === true
    return { verdict: isJudged ? 'redirect' : 'allow', by: candidate }
  }
  return { verdict: isClosed ? 'deny' : 'allow', by: undefined }
}
