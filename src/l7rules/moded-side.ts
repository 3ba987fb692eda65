// Joins what enforced rules say with what those in audit and shadow would say.
import { hasMode, rulesUpTo } from '../policy/mode.ts'
import type { Direction, PortRule } from '../policy/network-policy.ts'
import { composeEdits } from './header-edits.ts'
import type { HttpRequest } from './http1/request.ts'
import { reachableRules } from './reachable-rules.ts'
import { unionOfViews, type RequestView } from './request-view.ts'
import { compileRules, type HttpJudgement, type Judgement } from './side.ts'
import { decisionOf, planOf, type Verdict } from './verdict.ts'

/** @param rules all that apply to the peer, in order. */
export function compileModes(direction: Direction, rules: readonly PortRule[]): Judgement {
  const compile = (applying: readonly PortRule[]): Judgement =>
    compileRules(direction, reachableRules(applying))
  const hasAudit = rules.some((rule) => hasMode(rule, 'audit'))
  const hasShadow = rules.some((rule) => hasMode(rule, 'shadow'))
  if (!hasAudit && !hasShadow) return compile(rules)
  const enforced = compile(rulesUpTo('enforce', rules))
  const audited = hasAudit ? compile(rulesUpTo('audit', rules)) : enforced
  const planned = hasShadow ? compile(rules) : undefined
  if (enforced.kind === 'fixed' && audited.kind === 'fixed') {
    const verdict = joinAudit(enforced.verdict, audited.verdict)
    if (planned === undefined) return { kind: 'fixed', verdict }
    if (planned.kind === 'fixed') return { kind: 'fixed', verdict: withShadow(verdict, planned.verdict) }
    // Denied before anything is read: what shadow rules would say to the requests nobody will know.
    if (!verdict.allowed) return { kind: 'fixed', verdict }
  }
  return new ModedRules(enforced, audited, planned)
}

class ModedRules implements HttpJudgement {
  readonly kind = 'http'
  readonly isAdvisory: boolean
  readonly unparseable: Verdict
  readonly view: RequestView
  readonly #enforced: Judgement
  readonly #audited: Judgement
  readonly #planned: Judgement | undefined

  constructor(enforced: Judgement, audited: Judgement, planned: Judgement | undefined) {
    this.#enforced = enforced
    this.#audited = audited
    this.#planned = planned
    this.isAdvisory = enforced.kind === 'fixed' && enforced.verdict.allowed
    const audit = joinAudit(unparseable(enforced), unparseable(audited))
    this.unparseable = planned === undefined ? audit : withShadow(audit, unparseable(planned))
    const parts = [enforced, audited, ...(planned === undefined ? [] : [planned])]
    this.view = unionOfViews(parts.flatMap((part) => (part.kind === 'http' ? [part.view] : [])))
  }

  judge(request: HttpRequest): Verdict {
    const enforced = ask(this.#enforced, request)
    const verdict =
      this.#audited === this.#enforced ? enforced : joinAudit(enforced, ask(this.#audited, request))
    return this.#planned === undefined ? verdict : withShadow(verdict, ask(this.#planned, request))
  }
}

function unparseable(judgement: Judgement): Verdict {
  return judgement.kind === 'fixed' ? judgement.verdict : judgement.unparseable
}

function ask(judgement: Judgement, request: HttpRequest): Verdict {
  return judgement.kind === 'fixed' ? judgement.verdict : judgement.judge(request)
}

/**
 * What enforced rules allow passes as if there were none in audit. These may let more pass, then with their
 * edits, but never less.
 */
function joinAudit(enforced: Verdict, audited: Verdict): Verdict {
  if (!enforced.allowed) return audited.allowed ? audited : enforced
  return audited.allowed ? enforced : Object.freeze({ ...enforced, audit: decisionOf(audited) })
}

function withShadow(verdict: Verdict, planned: Verdict): Verdict {
  return Object.freeze({ ...verdict, shadow: decisionOf(planned) })
}

/**
 * One verdict for the sides of a connection. `first` has let the request come to `second`, or would if shadow
 * rules were enforced.
 */
export function joinSides(first: Verdict, second: Verdict): Verdict {
  const plan = planOf(first).allowed ? planOf(second) : planOf(first)
  const hasShadow = first.shadow !== undefined || second.shadow !== undefined
  const decider = first.allowed ? second : first
  const shadow = hasShadow ? decisionOf(plan) : undefined
  if (!decider.allowed) return hasShadow ? Object.freeze({ ...decider, shadow }) : decider
  if (isBare(first) && !hasShadow) return second
  return Object.freeze({
    ...second,
    audit: first.audit ?? second.audit,
    shadow,
    edits: joinLists(first.edits, second.edits, composeEdits),
    notes: joinLists(first.notes, second.notes, (a, b) => [...a, ...b]),
  })
}

function isBare({ audit, edits, notes }: Verdict): boolean {
  return audit === undefined && edits === undefined && notes === undefined
}

function joinLists<T>(
  first: readonly T[] | undefined,
  second: readonly T[] | undefined,
  join: (first: readonly T[], second: readonly T[]) => readonly T[],
): readonly T[] | undefined {
  return first === undefined || second === undefined ? (first ?? second) : join(first, second)
}
