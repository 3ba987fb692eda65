// One rule of an admitted policy at work: which identities it protects, and its filters. Filters do not
// depend on the subject, so they are made once per change of the peers, however many identities share them.
import type { Identity } from '../lib/brands.ts'
import { makeFilters } from './filter.ts'
import type { RuleFilters } from './resolve.ts'
import type { ParsedPolicy, Rule } from './rule-model.ts'
import type { CachedSelector, SelectionChange, SelectorCache, SelectorUser } from './selector-cache.ts'
import type { Selector } from './selector.ts'
import type { Direction } from './network-policy.ts'

export interface ActiveRuleListener {
  /** The rule begins or ceases to protect identities. */
  subjectsChanged(rule: ActiveRule, added: readonly Identity[], removed: readonly Identity[]): void
  /** The filters differ for all subjects. */
  filtersChanged(rule: ActiveRule): void
}

export class ActiveRule {
  readonly policy: ParsedPolicy
  /** Place among the rules of the policy. */
  readonly index: number
  readonly #rule: Rule
  readonly #peers: SelectorCache
  readonly #subjects: SelectorCache
  readonly #listener: ActiveRuleListener
  readonly #subject: CachedSelector
  readonly #subjectUser: SelectorUser
  readonly #peerUser: SelectorUser
  /** Peer selectors by key; undefined while the rule protects nobody, so that an idle rule costs nothing. */
  #bound: Map<string, CachedSelector> | undefined
  #filters: Partial<Record<Direction, RuleFilters>> = {}

  constructor(
    policy: ParsedPolicy,
    index: number,
    rule: Rule,
    caches: { readonly subjects: SelectorCache; readonly peers: SelectorCache },
    listener: ActiveRuleListener,
  ) {
    this.policy = policy
    this.index = index
    this.#rule = rule
    this.#peers = caches.peers
    this.#subjects = caches.subjects
    this.#listener = listener
    this.#subjectUser = { selectionsChanged: (changes) => this.#subjectsChanged(changes) }
    this.#peerUser = { selectionsChanged: () => this.#peersChanged() }
    this.#subject = caches.subjects.add(rule.subject, this.#subjectUser)
    if (this.subjects.length > 0) this.#bind()
  }

  /** Local identities that the rule protects, sorted. */
  get subjects(): readonly Identity[] {
    return this.#subject.selection
  }

  filters(direction: Direction): RuleFilters {
    const rules = this.#rule[direction]
    return (this.#filters[direction] ??= {
      defaultDeny: rules.defaultDeny,
      filters: makeFilters(rules, (selector) => this.#bound?.get(selector.key)?.selection ?? []),
    })
  }

  /** Leave the caches. The listener is not told. */
  dispose(): void {
    this.#subjects.remove(this.#subject, this.#subjectUser)
    this.#unbind()
  }

  #subjectsChanged(changes: readonly SelectionChange[]): void {
    if (this.subjects.length === 0) this.#unbind()
    else if (this.#bound === undefined) this.#bind()
    for (const { added, removed } of changes) this.#listener.subjectsChanged(this, added, removed)
  }

  #peersChanged(): void {
    this.#filters = {}
    this.#listener.filtersChanged(this)
  }

  #bind(): void {
    this.#filters = {}
    const selectors = peerSelectors(this.#rule)
    this.#bound = new Map(
      selectors.map((selector) => [selector.key, this.#peers.add(selector, this.#peerUser)]),
    )
  }

  #unbind(): void {
    for (const cached of this.#bound?.values() ?? []) this.#peers.remove(cached, this.#peerUser)
    this.#bound = undefined
    this.#filters = {}
  }
}

function peerSelectors({ ingress, egress }: Rule): readonly Selector[] {
  return [...ingress.elements, ...egress.elements].flatMap(({ peers }) => (peers === 'any' ? [] : peers))
}
