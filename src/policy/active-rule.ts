// One rule of an admitted policy at work: which identities it protects, and its filters. Filters do not
// depend on the subject, so they are made once per change of the peers, however many identities share them.
import type { Identity } from '../lib/brands.ts'
import { elementFilters, type PeerView } from './element-filters.ts'
import type { Filter } from './filter.ts'
import type { RuleFilters } from './resolve.ts'
import type { ParsedPolicy, PortName, Rule, RuleElement } from './rule-model.ts'
import type { CachedSelector, SelectionChange, SelectorCache, SelectorUser } from './selector-cache.ts'
import type { Selector } from './selector.ts'
import type { Direction } from './network-policy.ts'

export interface ActiveRuleListener {
  /** The rule begins or ceases to protect identities. */
  subjectsChanged(rule: ActiveRule, added: readonly Identity[], removed: readonly Identity[]): void
  /** The filters differ for all subjects. */
  filtersChanged(rule: ActiveRule): void
}

export interface RuleSurroundings {
  readonly subjects: SelectorCache
  readonly peers: SelectorCache
  /** Named ports of identities. */
  readonly ports: Pick<PeerView, 'portsOf' | 'withPorts'>
  readonly listener: ActiveRuleListener
}

/** Filters of an element; undefined = to be made. */
interface Part {
  readonly element: RuleElement
  filters: readonly Filter[] | undefined
}

export class ActiveRule implements PeerView {
  readonly policy: ParsedPolicy
  /** Place among the rules of the policy. */
  readonly index: number
  /** Whether filters depend on the port names of the subject. */
  readonly usesOwnPorts: boolean
  /** Whether filters depend on the port names of peers. */
  readonly usesPeerPorts: boolean
  readonly #rule: Rule
  readonly #around: RuleSurroundings
  readonly #subject: CachedSelector
  readonly #subjectUser: SelectorUser
  readonly #peerUser: SelectorUser
  readonly #parts: Readonly<Record<Direction, readonly Part[]>>
  /** Peer selectors by key; undefined while the rule protects nobody, so that an idle rule costs nothing. */
  #bound: Map<string, CachedSelector> | undefined
  #filters: { [direction in Direction]?: RuleFilters | undefined } = {}

  constructor(policy: ParsedPolicy, index: number, rule: Rule, around: RuleSurroundings) {
    this.policy = policy
    this.index = index
    this.usesOwnPorts = usesNames(rule.ingress.elements)
    this.usesPeerPorts = usesNames(rule.egress.elements)
    this.#rule = rule
    this.#around = around
    this.#parts = { ingress: rule.ingress.elements.map(toPart), egress: rule.egress.elements.map(toPart) }
    this.#subjectUser = { selectionsChanged: (changes) => this.#subjectsChanged(changes) }
    this.#peerUser = { selectionsChanged: (changes) => this.#peersChanged(changes) }
    this.#subject = around.subjects.add(rule.subject, this.#subjectUser)
    if (this.subjects.length > 0) this.#bind()
  }

  /** Local identities that the rule protects, sorted. */
  get subjects(): readonly Identity[] {
    return this.#subject.selection
  }

  /** Whether the rule has anything to say in that direction, now or later. */
  concerns(direction: Direction): boolean {
    return this.#rule[direction].defaultDeny || this.#parts[direction].length > 0
  }

  filters(direction: Direction): RuleFilters {
    const known = this.#filters[direction]
    if (known !== undefined) return known
    const { defaultDeny, mode = 'enforce' } = this.#rule[direction]
    const filters: Filter[] = []
    for (const part of this.#parts[direction]) {
      part.filters ??= elementFilters(part.element, direction, defaultDeny, this)
      for (const filter of part.filters) filters.push(filter)
    }
    return (this.#filters[direction] = { defaultDeny, mode, filters })
  }

  selection(selector: Selector): readonly Identity[] {
    return this.#bound?.get(selector.key)?.selection ?? []
  }

  portsOf(identity: Identity): readonly PortName[] {
    return this.#around.ports.portsOf(identity)
  }

  withPorts(): readonly Identity[] {
    return this.#around.ports.withPorts()
  }

  /** Peers name their ports differently now. */
  peerPortsChanged(): void {
    this.#forgetFilters('egress', (element) => usesNames([element]))
  }

  /** Leave the caches. The listener is not told. */
  dispose(): void {
    this.#around.subjects.remove(this.#subject, this.#subjectUser)
    this.#unbind()
  }

  #subjectsChanged(changes: readonly SelectionChange[]): void {
    if (this.subjects.length === 0) this.#unbind()
    else if (this.#bound === undefined) this.#bind()
    for (const { added, removed } of changes) this.#around.listener.subjectsChanged(this, added, removed)
  }

  #peersChanged(changes: readonly SelectionChange[]): void {
    const isConcerned = ({ peers }: RuleElement): boolean => {
      return (
        peers !== 'any' && peers.some(({ key }) => changes.some(({ cached }) => cached.selector.key === key))
      )
    }
    this.#forgetFilters('ingress', isConcerned)
    this.#forgetFilters('egress', isConcerned)
  }

  #forgetFilters(direction: Direction, isConcerned: (element: RuleElement) => boolean): void {
    let isAny = false
    for (const part of this.#parts[direction]) {
      if (!isConcerned(part.element)) continue
      part.filters = undefined
      isAny = true
    }
    if (!isAny) return
    this.#filters[direction] = undefined
    this.#around.listener.filtersChanged(this)
  }

  #bind(): void {
    this.#forgetAll()
    const selectors = peerSelectors(this.#rule)
    this.#bound = new Map(
      selectors.map((selector) => [selector.key, this.#around.peers.add(selector, this.#peerUser)]),
    )
  }

  #unbind(): void {
    for (const cached of this.#bound?.values() ?? []) this.#around.peers.remove(cached, this.#peerUser)
    this.#bound = undefined
    this.#forgetAll()
  }

  #forgetAll(): void {
    this.#filters = {}
    for (const part of [...this.#parts.ingress, ...this.#parts.egress]) part.filters = undefined
  }
}

function toPart(element: RuleElement): Part {
  return { element, filters: undefined }
}

function usesNames(elements: readonly RuleElement[]): boolean {
  return elements.some(({ grants }) => grants.some(({ named }) => named.length > 0))
}

function peerSelectors({ ingress, egress }: Rule): readonly Selector[] {
  return [...ingress.elements, ...egress.elements].flatMap(({ peers }) => (peers === 'any' ? [] : peers))
}
