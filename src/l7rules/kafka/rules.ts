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
    if (access.isUnread === true) return this.#indexOfUnread().first(request, NOTHING)
    const shape = shapeOf(access)
    const index = (this.#indexes[shape] ??= this.#indexOf(access))
    return index.first(request, access)
  }

  #indexOf(access: KafkaAccess): RuleIndex {
    const ignored = RESOURCES.filter((name) => access[name === 'topicPrefix' ? 'topic' : name] === undefined)
    return new RuleIndex(this.#rules.map((rule) => without(rule, ignored)))
  }

  #indexOfUnread(): RuleIndex {
    const restricts = (rule: KafkaRule): boolean => RESOURCES.some((name) => rule[name] !== undefined)
    this.#unread ??= new RuleIndex(this.#rules.map((rule) => (restricts(rule) ? undefined : rule)))
    return this.#unread
  }
}

const NOTHING: KafkaAccess = {}

function shapeOf({ topic, group, transactionalId }: KafkaAccess): number {
  return (
    (topic === undefined ? 0 : 1) | (group === undefined ? 0 : 2) | (transactionalId === undefined ? 0 : 4)
  )
}

function without(rule: KafkaRule, ignored: readonly Condition[]): KafkaRule {
  if (ignored.every((name) => rule[name] === undefined)) return rule
  return Object.fromEntries(
    Object.entries(rule).filter(([name]) => !ignored.includes(name as Condition)),
  ) as unknown as KafkaRule
}

interface Candidate {
  readonly rule: KafkaRule
  /** In the list that was compiled. */
  readonly index: number
}

/** The first of some rules that covers an access, all of whose conditions count. */
class RuleIndex {
  readonly #byTopic = new Map<string, Candidate[]>()
  readonly #byGroup = new Map<string, Candidate[]>()
  readonly #byTransaction = new Map<string, Candidate[]>()
  readonly #byClient = new Map<string, Candidate[]>()
  readonly #byPrefix = new PrefixTrie<Candidate>()
  /** What hangs on nothing. */
  readonly #rest: Candidate[] = []

  /** @param rules undefined = one that covers nothing. */
  constructor(rules: readonly (KafkaRule | undefined)[]) {
    const candidates = distinct(rules)
    const users = countUsers(candidates)
    for (const candidate of candidates) this.#hang(candidate, users)
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

  #hang(candidate: Candidate, users: ReadonlyMap<string, number>): void {
    const { rule } = candidate
    const sharing = (name: Condition): number => users.get(keyOf(name, rule)) ?? 0
    const [rarest] = CONDITIONS.filter((name) => rule[name] !== undefined).sort(
      (a, b) => sharing(a) - sharing(b),
    )
    if (rarest === undefined) this.#rest.push(candidate)
    else if (rarest === 'topicPrefix') {
      const prefix = rule.topicPrefix ?? ''
      if (!isBytes(prefix) || !this.#byPrefix.add(prefix, candidate)) this.#rest.push(candidate)
    } else append(this.#mapOf(rarest), rule[rarest] ?? '', candidate)
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

function covers(rule: KafkaRule, request: KafkaRequest, access: KafkaAccess): boolean {
  return (
    rule.apiKeys?.includes(request.apiKey) !== false &&
    isOrAny(rule.apiVersion, request.apiVersion) &&
    isOrAny(rule.clientId, request.clientId) &&
    isOrAny(rule.topic, access.topic) &&
    isOrAny(rule.group, access.group) &&
    isOrAny(rule.transactionalId, access.transactionalId) &&
    (rule.topicPrefix === undefined || access.topic?.startsWith(rule.topicPrefix) === true)
  )
}

function isOrAny<T>(wanted: T | undefined, value: T | undefined): boolean {
  return wanted === undefined || wanted === value
}

/** Of rules that say the same the first. */
function distinct(rules: readonly (KafkaRule | undefined)[]): Candidate[] {
  const seen = new Set<string>()
  const candidates: Candidate[] = []
  rules.forEach((rule, index) => {
    if (rule === undefined) return
    const { apiKeys, apiVersion } = rule
    const key = JSON.stringify([apiKeys, apiVersion, ...CONDITIONS.map((name) => rule[name])])
    if (seen.has(key)) return
    seen.add(key)
    candidates.push({ rule, index })
  })
  return candidates
}

function countUsers(candidates: readonly Candidate[]): ReadonlyMap<string, number> {
  const users = new Map<string, number>()
  for (const { rule } of candidates) {
    for (const name of CONDITIONS) {
      if (rule[name] === undefined) continue
      const key = keyOf(name, rule)
      users.set(key, (users.get(key) ?? 0) + 1)
    }
  }
  return users
}

function keyOf(name: Condition, rule: KafkaRule): string {
  return `${name} ${rule[name] ?? ''}`
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
