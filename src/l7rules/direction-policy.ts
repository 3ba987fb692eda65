// One direction of an endpoint's policy: which rules govern a port and a peer. Compiled piece by piece, as
// connections ask; shared by all endpoints whose policy is equal, and carried over to later snapshots.
import type { Direction, HttpRule, PortPolicy, PortRule } from '../policy/network-policy.ts'
import { compileHttpRules, validateHttpRule, type CompiledHttpRules } from './http-rules.ts'
import type { Verdict } from './verdict.ts'

/** What one endpoint says about a connection. */
export type Side = FixedSide | HttpSide

/** The verdict is the same for every request. */
export interface FixedSide {
  readonly kind: 'fixed'
  /** Equal serials mean the same side; 0 is free for callers. */
  readonly serial: number
  readonly verdict: Verdict
}

export interface HttpSide {
  readonly kind: 'http'
  readonly serial: number
  readonly rules: CompiledHttpRules
  /** Per rule of `rules`. */
  readonly allowed: readonly Verdict[]
  readonly denied: Verdict
}

/** Ports and peers are chosen by others: what was derived for them is forgotten beyond this many. */
const MAX_CACHED_SIDES = 65_536
const MAX_CACHED_PORTS = 1024

/** An entry without rules admits everybody, at the lowest precedence. */
const ALLOW_ALL: PortRule = {
  name: '',
  precedence: 0,
  deny: false,
  remoteIdentities: undefined,
  http: undefined,
}

let serials = 0

export class DirectionPolicy {
  readonly #direction: Direction
  readonly #ports: readonly PortPolicy[]
  readonly #rulesByPort = new Map<number, readonly PortRule[]>()
  /** By peer * 65536 + port. */
  readonly #sides = new Map<number, Side>()
  /** By the rules that apply: peers and ports under the same rules share matchers. */
  readonly #sidesByRules = new Map<string, Side>()
  readonly #ruleNumbers = new Map<PortRule, number>()

  /** @throws WeirError REGEX_INVALID or POLICY_INVALID when an HTTP rule cannot be used. */
  constructor(direction: Direction, ports: readonly PortPolicy[]) {
    this.#direction = direction
    this.#ports = ports
    for (const { rules } of ports) for (const { http } of rules) http?.forEach(validateHttpRule)
  }

  side(port: number, peer: number): Side {
    const key = peer * 65_536 + port
    const known = this.#sides.get(key)
    if (known !== undefined) return known
    const side = this.#findSide(port, peer)
    if (this.#sides.size >= MAX_CACHED_SIDES) this.#sides.clear()
    this.#sides.set(key, side)
    return side
  }

  #findSide(port: number, peer: number): Side {
    const rules = upToFirstVerdict(this.#rulesOf(port).filter((rule) => admits(rule, peer)))
    const key = rules.map((rule) => this.#numberOf(rule)).join()
    const known = this.#sidesByRules.get(key)
    if (known !== undefined) return known
    const side = makeSide(this.#direction, rules)
    if (this.#sidesByRules.size >= MAX_CACHED_SIDES) this.#sidesByRules.clear()
    this.#sidesByRules.set(key, side)
    return side
  }

  /**
   * The rules of every entry that holds the port and of every any-port entry, in order of evaluation.
   * When neither exists the list is empty, which denies.
   */
  #rulesOf(port: number): readonly PortRule[] {
    const known = this.#rulesByPort.get(port)
    if (known !== undefined) return known
    const entries = this.#ports.filter(
      (entry) => entry.port === 0 || (entry.port <= port && port <= entry.endPort),
    )
    const rules = entries
      .flatMap((entry) => (entry.rules.length === 0 ? [ALLOW_ALL] : entry.rules))
      .sort((a, b) => b.precedence - a.precedence || Number(b.deny) - Number(a.deny))
    if (this.#rulesByPort.size >= MAX_CACHED_PORTS) this.#rulesByPort.clear()
    this.#rulesByPort.set(port, rules)
    return rules
  }

  #numberOf(rule: PortRule): number {
    const known = this.#ruleNumbers.get(rule)
    if (known !== undefined) return known
    this.#ruleNumbers.set(rule, this.#ruleNumbers.size)
    return this.#ruleNumbers.size - 1
  }
}

function admits(rule: PortRule, peer: number): boolean {
  const identities = rule.remoteIdentities
  if (identities === undefined) return true
  let low = 0
  let high = identities.length
  while (low < high) {
    const middle = (low + high) >> 1
    if ((identities[middle] as number) < peer) low = middle + 1
    else high = middle
  }
  return identities[low] === peer
}

/** A rule without HTTP rules decides for every request: what comes after it is never asked. */
function upToFirstVerdict(rules: readonly PortRule[]): readonly PortRule[] {
  const decider = rules.findIndex((rule) => rule.deny || rule.http === undefined)
  return decider < 0 ? rules : rules.slice(0, decider + 1)
}

/** @param rules in order; only the last can be unconditional. */
function makeSide(direction: Direction, rules: readonly PortRule[]): Side {
  const serial = ++serials
  const last = rules.at(-1)
  const fixed = (verdict: Verdict): FixedSide => ({ kind: 'fixed', serial, verdict })
  if (last === undefined) return fixed(makeVerdict(false, '', 'PEER_NOT_ALLOWED', direction))
  const decider = last.deny || last.http === undefined ? last : undefined
  // Before a plain allow HTTP rules change nothing: what they do not allow, it allows.
  if (decider?.deny === false) return fixed(makeVerdict(true, decider.name, 'NO_L7_RULES', direction))
  const denied =
    decider === undefined
      ? makeVerdict(false, rules[0]?.name ?? '', 'NO_RULE_MATCHED', direction)
      : makeVerdict(false, decider.name, 'DENY_RULE', direction)
  if (decider !== undefined && rules.length === 1) return fixed(denied)
  const http: HttpRule[] = rules.flatMap((rule) => (rule === decider ? [] : (rule.http ?? [])))
  return {
    kind: 'http',
    serial,
    rules: compileHttpRules(http),
    allowed: http.map((rule) => makeVerdict(true, rule.name, 'RULE_MATCHED', direction)),
    denied,
  }
}

/** Verdicts are shared by all requests that they fit: frozen. */
export function makeVerdict(
  allowed: boolean,
  rule: string,
  reason: Verdict['reason'],
  direction: Direction,
): Verdict {
  return Object.freeze({ allowed, rule, reason, direction })
}
