// What one endpoint says about a connection, compiled from the rules that apply to its port and peer.
import type { Direction, HttpRule, PortRule } from '../policy/network-policy.ts'
import { isUnenforcedDefaultDeny } from '../policy/filter.ts'
import { looksAtRequests } from '../policy/request-rules.ts'
import { runActions } from './header-actions.ts'
import { composeEdits, type HeaderEdit } from './header-edits.ts'
import type { HttpRequest } from './http1/request.ts'
import { compileHttpRules, type CompiledHttpRules } from './http-rules.ts'
import { KafkaRules, type KafkaJudgement } from './kafka-side.ts'
import { hasActions } from './reachable-rules.ts'
import { unionOfViews, viewOf, type RequestView } from './request-view.ts'
import { makeVerdict, type HeaderNote, type Verdict } from './verdict.ts'

/** The verdict is the same for every request, or depends on it. */
export type Judgement = FixedJudgement | RequestJudgement
export type RequestJudgement = HttpJudgement | KafkaJudgement

export interface FixedJudgement {
  readonly kind: 'fixed'
  readonly verdict: Verdict
}

export interface HttpJudgement {
  readonly kind: 'http'
  readonly view: RequestView
  /** No enforced rule restricts the connection at L7: requests are looked at for what they tell. */
  readonly isAdvisory: boolean
  /** For bytes that no rule can judge. */
  readonly unparseable: Verdict
  judge(request: HttpRequest): Verdict
}

/** @param rules as `reachableRules` gives them. Modes are not looked at. */
export function compileRules(direction: Direction, rules: readonly PortRule[]): Judgement {
  const last = rules.at(-1)
  if (last !== undefined && isUnenforcedDefaultDeny(last)) {
    return compileBefore(direction, rules.slice(0, -1), last.name)
  }
  return compileBefore(direction, rules, '')
}

/** @param defaultDeny what to name where no rule speaks of the peer. */
function compileBefore(direction: Direction, rules: readonly PortRule[], defaultDeny: string): Judgement {
  const last = rules.at(-1)
  if (last === undefined) return fixed(makeVerdict(false, defaultDeny, 'PEER_NOT_ALLOWED', direction))
  const denied = last.deny
    ? makeVerdict(false, last.name, 'DENY_RULE', direction)
    : makeVerdict(false, rules[0]?.name ?? '', 'NO_RULE_MATCHED', direction)
  if (last.deny && rules.length === 1) return fixed(denied)
  const edits = rules.some(hasActions)
  const plain = plainAllow(rules)
  // Before a plain allow rules for requests change nothing: what they do not allow, it allows.
  if (plain !== undefined && !edits) return fixed(makeVerdict(true, plain.name, 'NO_L7_RULES', direction))
  const conflict = conflictOf(rules)
  if (conflict !== undefined) {
    return fixed(makeVerdict(false, conflict.kafka.name, 'PROTOCOL_CONFLICT', direction))
  }
  if (rules.some((rule) => rule.kafka !== undefined)) return new KafkaRules(direction, rules, denied)
  const alternatives = rules.flatMap((rule) => alternativesOf(direction, rule))
  return edits ? new EditingRules(alternatives, denied) : new PlainRules(alternatives, denied)
}

/**
 * Rules for requests of two protocols, of which no request could satisfy both.
 * @param rules that apply to one peer, as `reachableRules` gives them.
 */
export function conflictOf(
  rules: readonly PortRule[],
): { readonly http: PortRule; readonly kafka: PortRule } | undefined {
  if (plainAllow(rules) !== undefined && !rules.some(hasActions)) return undefined
  const http = rules.find((rule) => rule.http !== undefined)
  const kafka = rules.find((rule) => rule.kafka !== undefined)
  return http === undefined || kafka === undefined ? undefined : { http, kafka }
}

function plainAllow(rules: readonly PortRule[]): PortRule | undefined {
  return rules.find((rule) => !rule.deny && !looksAtRequests(rule))
}

export function fixed(verdict: Verdict): FixedJudgement {
  return { kind: 'fixed', verdict }
}

interface Alternative {
  readonly http: HttpRule
  readonly precedence: number
  readonly allowed: Verdict
}

/** A plain allow is one that every request matches. */
function alternativesOf(direction: Direction, rule: PortRule): Alternative[] {
  const { name, precedence, deny } = rule
  if (deny) return []
  if (rule.http === undefined) {
    const allowed = makeVerdict(true, name, 'NO_L7_RULES', direction)
    return [{ http: { name, headers: [] }, precedence, allowed }]
  }
  return rule.http.map((http) => {
    return { http, precedence, allowed: makeVerdict(true, http.name, 'RULE_MATCHED', direction) }
  })
}

/** The first alternative that matches decides. */
class PlainRules implements HttpJudgement {
  readonly kind = 'http'
  readonly isAdvisory = false
  readonly unparseable: Verdict
  readonly view: RequestView
  readonly #rules: CompiledHttpRules
  readonly #allowed: readonly Verdict[]
  readonly #denied: Verdict

  constructor(alternatives: readonly Alternative[], denied: Verdict) {
    this.#rules = compileHttpRules(alternatives.map(({ http }) => http))
    this.view = this.#rules.view
    this.#allowed = alternatives.map(({ allowed }) => allowed)
    this.#denied = denied
    this.unparseable = makeVerdict(false, denied.rule, 'UNPARSEABLE', denied.direction)
  }

  judge(request: HttpRequest): Verdict {
    const rule = this.#rules.evaluate(request)
    return rule < 0 ? this.#denied : (this.#allowed[rule] ?? this.#denied)
  }
}

/**
 * The first alternative that matches decides, and every other one of its precedence that matches edits, too.
 * Each sees the request as it came. Unlike in cilium/proxy, one that fails in the end edits nothing, and
 * neither does any when the request is denied.
 */
class EditingRules implements HttpJudgement {
  readonly kind = 'http'
  readonly isAdvisory = false
  readonly unparseable: Verdict
  readonly view: RequestView
  readonly #rules: CompiledHttpRules
  readonly #alternatives: readonly Alternative[]
  readonly #denied: Verdict

  constructor(alternatives: readonly Alternative[], denied: Verdict) {
    this.#rules = compileHttpRules(alternatives.map(({ http }) => http))
    const actions = alternatives.flatMap(({ http }) => http.headerActions ?? [])
    const names = actions.map(({ name }) => name)
    const hasSecrets = actions.some(({ isSecret }) => isSecret === true)
    this.view = unionOfViews([this.#rules.view, viewOf(names, hasSecrets)])
    this.#alternatives = alternatives
    this.#denied = denied
    this.unparseable = makeVerdict(false, denied.rule, 'UNPARSEABLE', denied.direction)
  }

  judge(request: HttpRequest): Verdict {
    let deciding: Alternative | undefined
    let edits: readonly HeaderEdit[] = []
    const notes: HeaderNote[] = []
    const faults: HeaderNote[] = []
    for (const index of this.#rules.matching(request)) {
      const alternative = this.#alternatives[index] as Alternative
      if (deciding !== undefined && alternative.precedence < deciding.precedence) break
      const outcome = runActions(alternative.http.headerActions ?? [], request)
      if (!outcome.ok) {
        faults.push(...outcome.notes)
        continue
      }
      deciding ??= alternative
      edits = composeEdits(edits, outcome.edits)
      notes.push(...outcome.notes)
    }
    if (deciding === undefined) return withFindings(this.#denied, [], faults)
    return withFindings(deciding.allowed, edits, notes)
  }
}

function withFindings(verdict: Verdict, edits: readonly HeaderEdit[], notes: readonly HeaderNote[]): Verdict {
  if (edits.length === 0 && notes.length === 0) return verdict
  return Object.freeze({
    ...verdict,
    edits: edits.length === 0 ? undefined : edits,
    notes: notes.length === 0 ? undefined : notes,
  })
}
