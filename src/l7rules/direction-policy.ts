// One direction of an endpoint's policy: which rules govern a port and a peer. Compiled piece by piece, as
// connections ask; shared by all endpoints whose policy is equal, and carried over to later snapshots.
import { hasModes } from '../policy/mode.ts'
import type { Direction, PortPolicy, PortRule } from '../policy/network-policy.ts'
import { rulesOfPort } from '../policy/rule-order.ts'
import { validateHttpRule } from './http-rules.ts'
import { compileModes } from './moded-side.ts'
import { reachableRules } from './reachable-rules.ts'
import type { Judgement } from './side.ts'

/** What one endpoint says about a connection. */
export interface Side {
  /** Equal serials mean the same side; 0 is free for callers. */
  readonly serial: number
  readonly judgement: Judgement
}

/** Ports and peers are chosen by others: what was derived for them is forgotten beyond this many. */
const MAX_CACHED_SIDES = 65_536
const MAX_CACHED_PORTS = 1024

let serials = 0

export class DirectionPolicy {
  readonly #direction: Direction
  readonly #ports: readonly PortPolicy[]
  readonly #rulesByPort = new Map<number, readonly PortRule[]>()
  /** By listener, then by peer * 65536 + port. */
  readonly #sides = new Map<number, Map<number, Side>>()
  /** By the rules that apply: peers and ports under the same rules share matchers. */
  readonly #sidesByRules = new Map<string, Side>()
  readonly #ruleNumbers = new Map<PortRule, number>()
  /** Some rule is for one listener only. */
  readonly #asksListener: boolean
  readonly #hasModes: boolean

  /** @throws WeirError REGEX_INVALID or POLICY_INVALID when an HTTP rule cannot be used. */
  constructor(direction: Direction, ports: readonly PortPolicy[]) {
    this.#direction = direction
    this.#ports = ports
    const rules = ports.flatMap((entry) => entry.rules)
    for (const { http } of rules) http?.forEach(validateHttpRule)
    this.#asksListener = rules.some(({ proxyId }) => (proxyId ?? 0) !== 0)
    this.#hasModes = rules.some(hasModes)
  }

  /** @param proxyId listener that the connection came to; 0 = one that has no number. */
  side(port: number, peer: number, proxyId: number): Side {
    const listener = this.#asksListener ? proxyId : 0
    let sides = this.#sides.get(listener)
    if (sides === undefined) {
      sides = new Map()
      this.#sides.set(listener, sides)
    }
    const key = peer * 65_536 + port
    const known = sides.get(key)
    if (known !== undefined) return known
    const side = this.#findSide(port, peer, listener)
    if (sides.size >= MAX_CACHED_SIDES) sides.clear()
    sides.set(key, side)
    return side
  }

  #findSide(port: number, peer: number, listener: number): Side {
    const applying = this.#rulesOf(port).filter((rule) => admits(rule, peer) && isFor(rule, listener))
    // Which rules are out of reach depends on the modes that are looked at.
    const rules = this.#hasModes ? applying : reachableRules(applying)
    const key = rules.map((rule) => this.#numberOf(rule)).join()
    const known = this.#sidesByRules.get(key)
    if (known !== undefined) return known
    const side: Side = { serial: ++serials, judgement: compileModes(this.#direction, rules) }
    if (this.#sidesByRules.size >= MAX_CACHED_SIDES) this.#sidesByRules.clear()
    this.#sidesByRules.set(key, side)
    return side
  }

  #rulesOf(port: number): readonly PortRule[] {
    const known = this.#rulesByPort.get(port)
    if (known !== undefined) return known
    const rules = rulesOfPort(this.#ports, port)
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

function isFor({ proxyId = 0 }: PortRule, listener: number): boolean {
  return proxyId === 0 || proxyId === listener
}

export function admits(rule: PortRule, peer: number): boolean {
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
