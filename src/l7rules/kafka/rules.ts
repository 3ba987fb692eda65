// The Kafka rules of one port and peer, compiled so that ten thousand of them cost like one.
//
// What an access does not have is no condition on it: each combination of topic, group and transactional id has
// an index of its own, made when it is first met, of the rules with the conditions that count for it. A rule
// hangs on its rarest condition, the one that fewest rules share; only rules whose rarest condition holds are
// looked at.
import type { KafkaRule } from '../../policy/network-policy.ts'
import { PrefixTrie } from '../match/prefix-trie.ts'
import type { KafkaAccess, KafkaRequest } from './request.ts'

export interface CompiledKafkaRules {
  /** Index of the first rule that covers the access, -1 when there is none. */
  evaluate(request: KafkaRequest, access: KafkaAccess): number
}

export function compileKafkaRules(rules: readonly KafkaRule[]): CompiledKafkaRules {
  return new KafkaRuleSet(rules)
}

const RESOURCES = ['topic', 'topicPrefix', 'group', 'transactionalId'] as const
const CONDITIONS = ['clientId', ...RESOURCES] as const
type Condition = (typeof CONDITIONS)[number]

class KafkaRuleSet implements CompiledKafkaRules {
  readonly #rules: readonly KafkaRule[]
  /** By what accesses have: see `shapeOf`. */
  readonly #indexes: (RuleIndex | undefined)[] = []
  #unread: RuleIndex | undefined

  constructor(rules: readonly KafkaRule[]) {
    this.#rules = rules
  }

  evaluate(request: KafkaRequest, access: KafkaAccess): number {
    if (access.isUnread === true) return this.#indexOfUnread().first(request, UNREAD)
    const shape = shapeOf(access)
    const index = (this.#indexes[shape] ??= this.#indexOf(access))
    return index.first(request, access)
  }

  #indexOf(access: KafkaAccess): RuleIndex {
    const counting = CONDITIONS.filter((name) => {
      if (name === 'clientId') return true
      return access[name === 'topicPrefix' ? 'topic' : name] !== undefined
    })
    return new RuleIndex(this.#rules, counting)
  }

  #indexOfUnread(): RuleIndex {
    const restricts = (rule: KafkaRule): boolean => RESOURCES.some((name) => rule[name] !== undefined)
    this.#unread ??= new RuleIndex(
      this.#rules.map((rule) => (restricts(rule) ? undefined : rule)),
      ['clientId'],
    )
    return this.#unread
  }
}

/** Of what is compared with it no condition is left. */
const UNREAD: KafkaAccess = {}

function shapeOf({ topic, group, transactionalId }: KafkaAccess): number {
  return (
    (topic === undefined ? 0 : 1) | (group === undefined ? 0 : 2) | (transactionalId === undefined ? 0 : 4)
  )
}

interface Candidate {
  readonly rule: KafkaRule
  /** In the list that was compiled. */
  readonly index: number
}

/** The first of some rules that covers an access of one shape. */
class RuleIndex {
  readonly #byTopic = new Map<string, Candidate[]>()
  readonly #byGroup = new Map<string, Candidate[]>()
  readonly #byTransaction = new Map<string, Candidate[]>()
  readonly #byClient = new Map<string, Candidate[]>()
  readonly #byPrefix = new PrefixTrie<Candidate>()
  /** What hangs on nothing. */
  readonly #rest: Candidate[] = []

  /**
   * @param rules undefined = one that covers nothing.
   * @param counting conditions on what accesses of this shape have.
   */
  constructor(rules: readonly (KafkaRule | undefined)[], counting: readonly Condition[]) {
    const candidates = distinct(rules, counting)
    const users = counting.map((name) => countUsers(candidates, name))
    for (const candidate of candidates) this.#hang(candidate, rarest(candidate.rule, counting, users))
  }

  first(request: KafkaRequest, access: KafkaAccess): number {
    const { topic, group, transactionalId } = access
    const search = new Search(request, access)
    search.look(this.#rest)
    search.look(this.#byClient.get(request.clientId))
    if (group !== undefined) search.look(this.#byGroup.get(group))
    if (transactionalId !== undefined) search.look(this.#byTransaction.get(transactionalId))
    if (topic !== undefined) {
      search.look(this.#byTopic.get(topic))
      this.#byPrefix.walk(topic, (candidates) => {
        search.look(candidates)
      })
    }
    return search.found
  }

  #hang(candidate: Candidate, condition: Condition | undefined): void {
    const { rule } = candidate
    if (condition === undefined) this.#rest.push(candidate)
    else if (condition === 'topicPrefix') {
      const prefix = rule.topicPrefix ?? ''
      if (!isBytes(prefix) || !this.#byPrefix.add(prefix, candidate)) this.#rest.push(candidate)
    } else append(this.#mapOf(condition), rule[condition] ?? '', candidate)
  }

  #mapOf(condition: Exclude<Condition, 'topicPrefix'>): Map<string, Candidate[]> {
    switch (condition) {
      case 'topic':
        return this.#byTopic
      case 'group':
        return this.#byGroup
      case 'transactionalId':
        return this.#byTransaction
      case 'clientId':
        return this.#byClient
    }
  }
}

/** Lists are ascending. */
class Search {
  /** -1 = none. */
  found = -1
  readonly #request: KafkaRequest
  readonly #access: KafkaAccess

  constructor(request: KafkaRequest, access: KafkaAccess) {
    this.#request = request
    this.#access = access
  }

  look(candidates: readonly Candidate[] | undefined): void {
    if (candidates === undefined) return
    for (const { rule, index } of candidates) {
      if (this.found >= 0 && index >= this.found) return
      if (!covers(rule, this.#request, this.#access)) continue
      this.found = index
      return
    }
  }
}

/** What the access does not have is no condition on it. */
function covers(rule: KafkaRule, request: KafkaRequest, access: KafkaAccess): boolean {
  const { topic, group, transactionalId } = access
  return (
    rule.apiKeys?.includes(request.apiKey) !== false &&
    isMet(rule.apiVersion, request.apiVersion) &&
    isMet(rule.clientId, request.clientId) &&
    isMet(rule.topic, topic) &&
    isMet(rule.group, group) &&
    isMet(rule.transactionalId, transactionalId) &&
    (rule.topicPrefix === undefined || topic === undefined || topic.startsWith(rule.topicPrefix))
  )
}

function isMet<T>(wanted: T | undefined, value: T | undefined): boolean {
  return wanted === undefined || value === undefined || wanted === value
}

/** Of rules that say the same the first. */
function distinct(
  rules: readonly (KafkaRule | undefined)[],
  counting: readonly Condition[],
): readonly Candidate[] {
  const seen = new Set<string>()
  /** Rules of a role share their list. */
  const lists = new Map<readonly number[] | undefined, string>()
  const candidates: Candidate[] = []
  rules.forEach((rule, index) => {
    if (rule === undefined) return
    const { apiKeys, apiVersion } = rule
    let key = lists.get(apiKeys)
    if (key === undefined) lists.set(apiKeys, (key = apiKeys === undefined ? '' : `[${apiKeys.join()}]`))
    key += ` ${apiVersion ?? ''}`
    for (const name of counting) key += ` ${rule[name] === undefined ? '' : JSON.stringify(rule[name])}`
    if (seen.has(key)) return
    seen.add(key)
    candidates.push({ rule, index })
  })
  return candidates
}

function countUsers(candidates: readonly Candidate[], name: Condition): ReadonlyMap<string, number> {
  const users = new Map<string, number>()
  for (const { rule } of candidates) {
    const value = rule[name]
    if (value !== undefined) users.set(value, (users.get(value) ?? 0) + 1)
  }
  return users
}

/** @param users of each condition, by value. */
function rarest(
  rule: KafkaRule,
  counting: readonly Condition[],
  users: readonly ReadonlyMap<string, number>[],
): Condition | undefined {
  let best: Condition | undefined
  let fewest = Infinity
  counting.forEach((name, i) => {
    const value = rule[name]
    const sharing = value === undefined ? Infinity : (users[i]?.get(value) ?? 0)
    if (sharing < fewest) {
      best = name
      fewest = sharing
    }
  })
  return best
}

/** What the trie takes. No topic that a broker has begins with anything else. */
function isBytes(text: string): boolean {
  return /^[\0-\xff]*$/.test(text)
}

function append(map: Map<string, Candidate[]>, key: string, candidate: Candidate): void {
  const known = map.get(key)
  if (known === undefined) map.set(key, [candidate])
  else known.push(candidate)
}
