// A second, slow reading of what the rules of a direction mean: each rule in turn, for one request, nothing
// compiled, nothing shared with src/l7rules. docs/policy.md says the same in words.
import type {
  HeaderAction,
  HeaderMatcher,
  HttpRule,
  KafkaRule,
  PortPolicy,
  PortRule,
  RuleMode,
} from '../../../src/policy/network-policy.ts'
import type { RequestParts } from './requests.ts'

export interface NaiveFlow {
  readonly port: number
  readonly peer: number
  readonly proxyId: number
}

export interface NaiveDecision {
  readonly allowed: boolean
  /** Of the rule that allowed or denied; '' when none did. */
  readonly rule: string
  /** What the server gets of the headers that were edited. */
  readonly headers: Readonly<Record<string, readonly string[]>>
}

export interface NaiveVerdict extends NaiveDecision {
  readonly audit: boolean
  /** undefined: no shadow rule has a say about the flow. */
  readonly shadow: boolean | undefined
}

export type NaiveRequest = Required<RequestParts>

/** One thing that a Kafka request touches. */
export interface NaiveAccess {
  readonly apiKey: number
  readonly apiVersion: number
  readonly clientId: string
  readonly topic: string | undefined
  readonly group: string | undefined
  readonly transactionalId: string | undefined
  /** Nobody knows what it touches. */
  readonly isUnread: boolean
}

const WEAKNESS: readonly RuleMode[] = ['enforce', 'audit', 'shadow']

export function naiveJudge(
  ports: readonly PortPolicy[],
  flow: NaiveFlow,
  request: NaiveRequest | NaiveAccess,
): NaiveVerdict {
  const rules = rulesFor(ports, flow)
  const upTo = (mode: RuleMode): NaiveDecision => decide(without(rules, mode), request)
  const [enforced, audited, planned] = WEAKNESS.map(upTo) as [NaiveDecision, NaiveDecision, NaiveDecision]
  const outcome = enforced.allowed ? enforced : audited
  const isShadowed = rules.some((rule) => {
    return [rule, ...(rule.http ?? []), ...(rule.kafka ?? [])].some(({ mode }) => mode === 'shadow')
  })
  return {
    ...outcome,
    audit: outcome.allowed && !audited.allowed,
    shadow: isShadowed ? planned.allowed : undefined,
  }
}

function rulesFor(ports: readonly PortPolicy[], { port, peer, proxyId }: NaiveFlow): PortRule[] {
  const rules: PortRule[] = []
  for (const entry of ports) {
    if (entry.port !== 0 && (port < entry.port || entry.endPort < port)) continue
    const everybody = { name: '', precedence: 0, deny: false, remoteIdentities: undefined, http: undefined }
    rules.push(...(entry.rules.length === 0 ? [everybody] : entry.rules))
  }
  return rules.filter((rule) => {
    const isPeer = rule.remoteIdentities?.some((identity) => (identity as number) === peer) ?? true
    return isPeer && [undefined, 0, proxyId].includes(rule.proxyId)
  })
}

function without(rules: readonly PortRule[], strictest: RuleMode): PortRule[] {
  const stays = (mode: RuleMode = 'enforce'): boolean => WEAKNESS.indexOf(mode) <= WEAKNESS.indexOf(strictest)
  return rules
    .filter((rule) => stays(rule.mode))
    .map((rule) => {
      const left = <T extends { readonly mode?: RuleMode }>(items: readonly T[] | undefined) => {
        const rest = items?.filter((item) => stays(item.mode))
        return rest?.length === 0 && items?.length !== 0 ? undefined : rest
      }
      const { kafka, ...others } = rule
      const kept = left(kafka)
      return { ...others, http: left(rule.http), ...(kept === undefined ? {} : { kafka: kept }) }
    })
}

function kindOf(rule: PortRule): number {
  return rule.deny ? 0 : (rule.passPrecedence ?? 0) === 0 ? 1 : 2
}

function decide(unordered: readonly PortRule[], request: NaiveRequest | NaiveAccess): NaiveDecision {
  const rules = [...unordered].sort((a, b) => b.precedence - a.precedence || kindOf(a) - kindOf(b))
  const headers = new NaiveHeaders('headers' in request ? request.headers : {})
  let verdict: { readonly precedence: number; readonly rule: string } | undefined
  let i = 0
  while (i < rules.length) {
    const rule = rules[i] as PortRule
    if (verdict !== undefined && rule.precedence < verdict.precedence) break
    if (rule.deny && verdict === undefined) return { allowed: false, rule: rule.name, headers: {} }
    const pass = rule.passPrecedence ?? 0
    if (pass !== 0 && verdict === undefined) {
      const next = rules.findIndex(({ precedence }) => precedence < pass)
      i = next < 0 ? rules.length : next
      continue
    }
    if (!rule.deny && pass === 0) {
      const isPlain = rule.http === undefined && rule.kafka === undefined
      const names = isPlain
        ? [rule.name]
        : 'headers' in request
          ? matching(rule.http ?? [], request, headers)
          : (rule.kafka ?? []).filter((one) => covers(one, request)).map(({ name }) => name)
      if (names[0] !== undefined) verdict ??= { precedence: rule.precedence, rule: names[0] }
    }
    i++
  }
  if (verdict === undefined) return { allowed: false, rule: '', headers: {} }
  return { allowed: true, rule: verdict.rule, headers: headers.edited() }
}

function covers(rule: KafkaRule, access: NaiveAccess): boolean {
  if (rule.apiKeys !== undefined && !rule.apiKeys.some((key) => key === access.apiKey)) return false
  if (rule.apiVersion !== undefined && rule.apiVersion !== access.apiVersion) return false
  if (rule.clientId !== undefined && rule.clientId !== access.clientId) return false
  const { topic, topicPrefix, group, transactionalId } = rule
  if (access.isUnread) return [topic, topicPrefix, group, transactionalId].every((one) => one === undefined)
  const isMet = (wanted: string | undefined, value: string | undefined): boolean =>
    wanted === undefined || value === undefined || wanted === value
  return (
    isMet(topic, access.topic) &&
    isMet(topicPrefix, access.topic?.slice(0, topicPrefix?.length)) &&
    isMet(group, access.group) &&
    isMet(transactionalId, access.transactionalId)
  )
}

/** Names of the rules that match; their edits are done. */
function matching(rules: readonly HttpRule[], request: NaiveRequest, headers: NaiveHeaders): string[] {
  const names: string[] = []
  for (const rule of rules) {
    const full = (pattern: string | undefined, text: string, flags = ''): boolean =>
      pattern === undefined || new RegExp(`^(?:${pattern})$`, flags).test(text)
    const holds =
      full(rule.method, request.method) &&
      full(rule.path, request.path) &&
      hosts(request).some((host) => full(rule.host, host, 'i')) &&
      rule.headers.every(({ name, value }) => {
        const values = request.headers[name] ?? []
        return values.length > 0 && values.every((each) => value === undefined || each === value)
      }) &&
      (rule.matchers ?? []).every((matcher) => meets(matcher, request)) &&
      (rule.headerActions ?? []).every((action) => !fails(action, request.headers[action.name] ?? []))
    if (!holds) continue
    names.push(rule.name)
    for (const action of rule.headerActions ?? []) headers.edit(action)
  }
  return names
}

function hosts({ host }: NaiveRequest): string[] {
  return [host, host.replace(/:[0-9]*$/, '')]
}

function meets(matcher: HeaderMatcher, request: NaiveRequest): boolean {
  const { match, invert, name } = matcher
  let values: readonly string[] = request.headers[name] ?? []
  if (name === ':method') values = [request.method]
  if (name === ':path') values = [request.path]
  if (values.length === 0 && matcher.missingAsEmpty) values = ['']
  if (match.kind === 'present') return values.length > 0 !== invert
  const isMatch = (value: string): boolean => {
    if (match.kind === 'regex') return new RegExp(`^(?:${match.regex})$`).test(value)
    if (match.kind === 'range') return Number(value || 'x') >= match.start && Number(value) < match.end
    const fold = (text: string): string => (match.ignoreCase ? text.toLowerCase() : text)
    const [whole, part] = [fold(value), fold(match.text)]
    if (match.kind === 'exact') return whole === part || (invert && part === '')
    if (match.kind === 'prefix') return whole.startsWith(part)
    return match.kind === 'suffix' ? whole.endsWith(part) : whole.includes(part)
  }
  if (values.length === 0) return false
  return invert ? ![...values, values.join(','), values.join(', ')].some(isMatch) : values.every(isMatch)
}

function isMatch({ value }: HeaderAction, values: readonly string[]): boolean {
  if (value === '') return values.length > 0
  return [...values, values.join(','), values.join(', ')].includes(value)
}

function isMismatch({ value }: HeaderAction, values: readonly string[]): boolean {
  return values.length === 0 || (value !== '' && values.some((each) => each !== value))
}

function fails(action: HeaderAction, values: readonly string[]): boolean {
  if (isMatch(action, values) && action.onMatch === 'fail') return true
  return isMismatch(action, values) && action.onMismatch === 'fail'
}

class NaiveHeaders {
  readonly #headers: NaiveRequest['headers']
  readonly #edited = new Map<string, { kept: readonly string[]; added: readonly string[] }>()

  constructor(headers: NaiveRequest['headers']) {
    this.#headers = headers
  }

  edit(action: HeaderAction): void {
    const { name, value, onMatch, onMismatch } = action
    const values = this.#headers[name] ?? []
    const now = this.#edited.get(name) ?? { kept: values, added: [] }
    let next = now
    if (isMismatch(action, values)) {
      if (onMismatch === 'add') next = { kept: now.kept, added: [...new Set([...now.added, value])] }
      if (onMismatch === 'replace') next = { kept: [], added: [value] }
      if (onMismatch === 'delete' && values.length > 0) next = { kept: [], added: [] }
    }
    if (isMatch(action, values) && onMatch === 'delete') next = { kept: [], added: [] }
    if (next !== now) this.#edited.set(name, next)
  }

  edited(): Record<string, readonly string[]> {
    return Object.fromEntries([...this.#edited].map(([name, { kept, added }]) => [name, [...kept, ...added]]))
  }
}
