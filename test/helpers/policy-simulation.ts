// What the kernel and the proxy do with resolved policies, in the plainest form: stand-ins for both in tests.
import { type Identity } from '../../src/lib/brands.ts'
import type {
  Direction,
  HttpRule,
  KafkaRule,
  NetworkPolicy,
  PortRule,
  RuleMode,
} from '../../src/policy/network-policy.ts'
import type { PolicyMapEntry, PolicyMapVerdict } from '../../src/policy/policy-map.ts'

export interface Flow {
  readonly peer: Identity
  readonly direction: Direction
  /** IP protocol number. */
  readonly protocol: number
  /** 0 for protocols without ports. */
  readonly port: number
}

export interface Request {
  readonly method: string
  readonly path: string
  readonly host?: string
  /** Lower-case names. */
  readonly headers?: Readonly<Record<string, string>>
}

/** One thing that a Kafka request touches. */
export interface KafkaAsk {
  readonly apiKey: number
  readonly clientId: string
  readonly topic: string | undefined
  readonly group: string | undefined
}

export type AnyRequest = Request | KafkaAsk

/** Two longest-prefix look-ups, as bpf/include/policy.h does them. */
export function kernelVerdict(entries: readonly PolicyMapEntry[], flow: Flow): PolicyMapVerdict {
  const own = longestMatch(entries, flow, flow.peer)
  const any = longestMatch(entries, flow, 0)
  if (own === undefined || any === undefined) return (own ?? any)?.verdict ?? 'deny'
  if (own.precedence !== any.precedence) return own.precedence > any.precedence ? own.verdict : any.verdict
  return prefixBits(any) > prefixBits(own) ? any.verdict : own.verdict
}

function longestMatch(
  entries: readonly PolicyMapEntry[],
  { direction, protocol, port }: Flow,
  identity: number,
): PolicyMapEntry | undefined {
  let best: PolicyMapEntry | undefined
  for (const entry of ofPeer(entries, direction, identity)) {
    if (entry.protocol !== 0 && entry.protocol !== protocol) continue
    if (port >> (16 - entry.portBits) !== entry.port >> (16 - entry.portBits)) continue
    if (best === undefined || prefixBits(entry) > prefixBits(best)) best = entry
  }
  return best
}

const byPeer = new WeakMap<readonly PolicyMapEntry[], Map<string, PolicyMapEntry[]>>()

function ofPeer(
  entries: readonly PolicyMapEntry[],
  direction: Direction,
  identity: number,
): readonly PolicyMapEntry[] {
  let index = byPeer.get(entries)
  if (index === undefined) {
    index = new Map()
    byPeer.set(entries, index)
    for (const entry of entries) {
      const key = `${entry.direction} ${entry.identity}`
      const same = index.get(key)
      if (same === undefined) index.set(key, [entry])
      else same.push(entry)
    }
  }
  return index.get(`${direction} ${identity}`) ?? []
}

function prefixBits(entry: PolicyMapEntry): number {
  return (entry.protocol === 0 ? 0 : 8) + entry.portBits
}

/** Whether the proxy lets a request pass in one direction. Any receiver must agree with both look-ups. */
export function proxyAllows(policy: NetworkPolicy, flow: Flow, request: AnyRequest): boolean {
  const ports = policy[flow.direction]
  const holds = ports.filter(({ port, endPort }) => port !== 0 && port <= flow.port && flow.port <= endPort)
  const wildcard = ports.filter(({ port }) => port === 0)
  const first = judge(holds.length > 0 ? holds : wildcard, flow.peer, request)
  const merged = judge([...holds, ...wildcard], flow.peer, request)
  if (first !== merged) throw new Error(`look-ups disagree on port ${flow.port}`)
  return first
}

/** Rules that are not enforced are left out; those in audit may allow, never deny. */
function judge(entries: NetworkPolicy['ingress'], peer: Identity, request: AnyRequest): boolean {
  return decide(entries, peer, request, ['enforce', 'audit']) || decide(entries, peer, request, ['enforce'])
}

function decide(
  entries: NetworkPolicy['ingress'],
  peer: Identity,
  request: AnyRequest,
  modes: readonly RuleMode[],
): boolean {
  const everybody: PortRule = {
    name: '',
    precedence: 0,
    deny: false,
    remoteIdentities: undefined,
    http: undefined,
  }
  const isIn = ({ mode = 'enforce' }: PortRule | HttpRule | KafkaRule): boolean => modes.includes(mode)
  const rank = ({ deny, passPrecedence = 0 }: PortRule): number => (deny ? 0 : passPrecedence > 0 ? 2 : 1)
  const rules = entries
    .flatMap((entry) => (entry.rules.length === 0 ? [everybody] : entry.rules))
    .filter(isIn)
  rules.sort((a, b) => b.precedence - a.precedence || rank(a) - rank(b))
  let below = Infinity
  let isMet = false
  const protocols = new Set<string>()
  // Rules for two protocols contradict each other, unless everything is allowed anyway.
  for (const { precedence, remoteIdentities, deny, http, kafka, passPrecedence = 0 } of rules) {
    if (precedence >= below) continue
    if (remoteIdentities?.includes(peer) === false) continue
    if (deny) break
    if (passPrecedence > 0) {
      below = passPrecedence
      continue
    }
    const ofHttp = http?.filter(isIn) ?? []
    const ofKafka = kafka?.filter(isIn) ?? []
    if (ofHttp.length + ofKafka.length === 0) return true
    protocols.add(ofHttp.length > 0 ? 'http' : 'kafka')
    isMet ||=
      'topic' in request
        ? ofKafka.some((rule) => covers(rule, request))
        : ofHttp.some((rule) => matches(rule, request))
  }
  return isMet && protocols.size === 1
}

function covers(rule: KafkaRule, ask: KafkaAsk): boolean {
  const { apiKeys = [ask.apiKey], clientId = ask.clientId, topic, topicPrefix = '', group } = rule
  return (
    apiKeys.includes(ask.apiKey) &&
    clientId === ask.clientId &&
    (topic ?? ask.topic) === (ask.topic ?? topic) &&
    (ask.topic ?? topicPrefix).startsWith(topicPrefix) &&
    (group ?? ask.group) === (ask.group ?? group)
  )
}

function matches(rule: HttpRule, request: Request): boolean {
  const whole = (pattern: string | undefined, text: string): boolean => {
    return pattern === undefined || new RegExp(`^(?:${pattern})$`).test(text)
  }
  return (
    whole(rule.method, request.method) &&
    whole(rule.path, request.path) &&
    whole(rule.host, request.host ?? '') &&
    rule.headers.every(({ name, value }) => {
      const found = request.headers?.[name]
      return found !== undefined && (value === undefined || value === found)
    }) &&
    (rule.headerActions ?? []).every(({ name, value, onMismatch }) => {
      const found = request.headers?.[name]
      return onMismatch !== 'fail' || (found !== undefined && (value === '' || value === found))
    })
  )
}
