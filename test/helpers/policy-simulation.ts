// What the kernel and the proxy do with resolved policies, in the plainest form: stand-ins for both in tests.
import { type Identity } from '../../src/lib/brands.ts'
import type { Direction, HttpRule, NetworkPolicy, PortRule } from '../../src/policy/network-policy.ts'
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

/** Two longest-prefix look-ups, as bpf/include/policy.h does them. */
export function kernelVerdict(entries: readonly PolicyMapEntry[], flow: Flow): PolicyMapVerdict {
  const own = longestMatch(entries, flow, flow.peer)
  const any = longestMatch(entries, flow, 0)
  if (own === undefined || any === undefined) return (own ?? any)?.verdict ?? 'deny'
  if (own.precedence !== any.precedence) return own.precedence > any.precedence ? own.verdict : any.verdict
  return any.portBits > own.portBits ? any.verdict : own.verdict
}

function longestMatch(
  entries: readonly PolicyMapEntry[],
  { direction, protocol, port }: Flow,
  identity: number,
): PolicyMapEntry | undefined {
  let best: PolicyMapEntry | undefined
  for (const entry of entries) {
    if (entry.identity !== identity || entry.direction !== direction) continue
    if (entry.protocol !== 0 && entry.protocol !== protocol) continue
    if (port >> (16 - entry.portBits) !== entry.port >> (16 - entry.portBits)) continue
    if (best === undefined || prefixBits(entry) > prefixBits(best)) best = entry
  }
  return best
}

function prefixBits(entry: PolicyMapEntry): number {
  return (entry.protocol === 0 ? 0 : 8) + entry.portBits
}

/** Whether the proxy lets a request pass in one direction. Any receiver must agree with both look-ups. */
export function proxyAllows(policy: NetworkPolicy, flow: Flow, request: Request): boolean {
  const ports = policy[flow.direction]
  const holds = ports.filter(({ port, endPort }) => port !== 0 && port <= flow.port && flow.port <= endPort)
  const wildcard = ports.filter(({ port }) => port === 0)
  const first = judge(holds.length > 0 ? holds : wildcard, flow.peer, request)
  const merged = judge([...holds, ...wildcard], flow.peer, request)
  if (first !== merged) throw new Error(`look-ups disagree on port ${flow.port}`)
  return first
}

function judge(entries: NetworkPolicy['ingress'], peer: Identity, request: Request): boolean {
  const everybody: PortRule = {
    name: '',
    precedence: 0,
    deny: false,
    remoteIdentities: undefined,
    http: undefined,
  }
  const rules = entries.flatMap((entry) => (entry.rules.length === 0 ? [everybody] : entry.rules))
  rules.sort((a, b) => b.precedence - a.precedence || Number(b.deny) - Number(a.deny))
  for (const { remoteIdentities, deny, http } of rules) {
    if (remoteIdentities?.includes(peer) === false) continue
    if (deny) return false
    if (http === undefined || http.some((rule) => matches(rule, request))) return true
  }
  return false
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
    })
  )
}
