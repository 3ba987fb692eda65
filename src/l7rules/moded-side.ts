// Joins what enforced rules say with what those in audit and shadow would say.
import { hasMode, rulesUpTo } from '../policy/mode.ts'
import type { Direction, PortRule } from '../policy/network-policy.ts'
import { composeEdits } from './header-edits.ts'
import type { HttpRequest } from './http1/request.ts'
import type { KafkaAccess, KafkaRequest } from './kafka/request.ts'
import type { KafkaJudgement } from './kafka-side.ts'
import { hasActions, reachableRules } from './reachable-rules.ts'
import { unionOfViews, type RequestView } from './request-view.ts'
import { compileRules, fixed, type FixedJudgement, type HttpJudgement, type Judgement } from './side.ts'
import { decisionOf, makeVerdict, planOf, type Verdict } from './verdict.ts'

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
  const parts = { enforced, audited, planned }
  // Rules in audit that allow everything leave nothing to deny, but edits of enforced ones are still to be done.
  const isAdvisory = isOpen(enforced) || (isOpen(audited) && !rulesUpTo('enforce', rules).some(hasActions))
  const kind = [enforced, audited, planned].find((one) => one !== undefined && one.kind !== 'fixed')?.kind
  return kind === 'kafka'
    ? new ModedKafkaRules(parts, isAdvisory, direction)
    : new ModedHttpRules(parts, isAdvisory, direction)
}

/** With rules up to each mode. */
interface Parts<J> {
  readonly enforced: J
  readonly audited: J
  readonly planned: J | undefined
}

class ModedHttpRules implements HttpJudgement {
  readonly kind = 'http'
  readonly isAdvisory: boolean
  readonly unparseable: Verdict
  readonly view: RequestView
  readonly #parts: Parts<FixedJudgement | HttpJudgement>

  constructor(parts: Parts<Judgement>, isAdvisory: boolean, direction: Direction) {
    this.isAdvisory = isAdvisory
    this.unparseable = joinModes(parts, unparseable)
    this.#parts = mapParts(parts, (one) => (one.kind === 'kafka' ? conflict(direction) : one))
    const { enforced, audited, planned } = this.#parts
    const views = [enforced, audited, planned].flatMap((part) => (part?.kind === 'http' ? [part.view] : []))
    this.view = unionOfViews(views)
  }

  judge(request: HttpRequest): Verdict {
    return joinModes(this.#parts, (one) => (one.kind === 'fixed' ? one.verdict : one.judge(request)))
  }
}

class ModedKafkaRules implements KafkaJudgement {
  readonly kind = 'kafka'
  readonly isAdvisory: boolean
  readonly unparseable: Verdict
  readonly #parts: Parts<FixedJudgement | KafkaJudgement>

  constructor(parts: Parts<Judgement>, isAdvisory: boolean, direction: Direction) {
    this.isAdvisory = isAdvisory
    this.unparseable = joinModes(parts, unparseable)
    this.#parts = mapParts(parts, (one) => (one.kind === 'http' ? conflict(direction) : one))
  }

  judge(request: KafkaRequest, access: KafkaAccess): Verdict {
    return joinModes(this.#parts, (one) => (one.kind === 'fixed' ? one.verdict : one.judge(request, access)))
  }
}

function isOpen(judgement: Judgement): boolean {
  return judgement.kind === 'fixed' && judgement.verdict.allowed
}

function unparseable(judgement: Judgement): Verdict {
  return judgement.kind === 'fixed' ? judgement.verdict : judgement.unparseable
}

/** What rules in a weaker mode say that are for another protocol than those in a stricter one. */
function conflict(direction: Direction): FixedJudgement {
  return fixed(makeVerdict(false, '', 'PROTOCOL_CONFLICT', direction))
}

function mapParts<J, K>({ enforced, audited, planned }: Parts<J>, map: (judgement: J) => K): Parts<K> {
  const mapped = map(enforced)
  return {
    enforced: mapped,
    audited: audited === enforced ? mapped : map(audited),
    planned: planned === undefined ? undefined : map(planned),
  }
}

function joinModes<J>({ enforced, audited, planned }: Parts<J>, ask: (judgement: J) => Verdict): Verdict {
  const first = ask(enforced)
  const verdict = audited === enforced ? first : joinAudit(first, ask(audited))
  return planned === undefined ? verdict : withShadow(verdict, ask(planned))
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
