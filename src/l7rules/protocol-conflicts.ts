// Where the policy of an endpoint denies a peer only because rules for HTTP and for Kafka meet: found without waiting
// for a connection, by what decides then.
import { rulesUpTo } from '../policy/mode.ts'
import type { NetworkPolicy, PortPolicy, PortRule } from '../policy/network-policy.ts'
import type { ProtocolConflict } from '../policy/protocol-conflict.ts'
import { admits } from './direction-policy.ts'
import { reachableRules } from './reachable-rules.ts'
import { conflictOf } from './side.ts'

/** No identity: of a peer that no rule names. */
const ANYBODY_ELSE = 0

type Found = Omit<ProtocolConflict, 'direction'>

/** Endpoints share what is equal. */
const known = new WeakMap<readonly PortPolicy[], readonly Found[]>()

/** Of enforced rules, at most one for each range of ports and direction. */
export function protocolConflicts(policy: NetworkPolicy): ProtocolConflict[] {
  return (['ingress', 'egress'] as const).flatMap((direction) =>
    conflictsIn(policy[direction]).map((found) => ({ direction, ...found })),
  )
}

function conflictsIn(ports: readonly PortPolicy[]): readonly Found[] {
  const found = known.get(ports) ?? ports.flatMap(conflictAt)
  known.set(ports, found)
  return found
}

function conflictAt({ port, endPort, rules }: PortPolicy): Found[] {
  if (!rules.some(isHttp) || !rules.some(isKafka)) return []
  const enforced = rulesUpTo('enforce', rules)
  for (const peer of peersOfBoth(enforced)) {
    const conflict = conflictOf(reachableRules(enforced.filter((rule) => admits(rule, peer))))
    if (conflict !== undefined)
      return [{ port, endPort, http: conflict.http.name, kafka: conflict.kafka.name }]
  }
  return []
}

function peersOfBoth(rules: readonly PortRule[]): ReadonlySet<number> {
  const [http, kafka] = [rules.filter(isHttp), rules.filter(isKafka)]
  const [ofHttp, ofKafka] = [namedBy(http), namedBy(kafka)]
  const [anyHttp, anyKafka] = [http, kafka].map((some) => some.some(isForAnybody))
  const both = new Set(anyHttp === true && anyKafka === true ? [ANYBODY_ELSE] : [])
  for (const peer of ofHttp) if (anyKafka === true || ofKafka.has(peer)) both.add(peer)
  for (const peer of ofKafka) if (anyHttp === true || ofHttp.has(peer)) both.add(peer)
  return both
}

function namedBy(rules: readonly PortRule[]): ReadonlySet<number> {
  return new Set(rules.flatMap(({ remoteIdentities = [] }) => remoteIdentities))
}

function isForAnybody({ remoteIdentities }: PortRule): boolean {
  return remoteIdentities === undefined
}

function isHttp({ http }: PortRule): boolean {
  return http !== undefined
}

function isKafka({ kafka }: PortRule): boolean {
  return kafka !== undefined
}
