// A policy for proxies that are not ours: without what they would misunderstand, or refuse the whole update for.
import { rulesUpTo } from './mode.ts'
import type { NetworkPolicy, PortPolicy, PortRule } from './network-policy.ts'

/** cilium/proxy refuses more. Connections to addresses beyond have no policy there: they are denied. */
const MAX_ENDPOINT_IPS = 2

/**
 * Modes: others would enforce every rule that they get, so they get enforced ones only. What rules in audit mode
 * admit is denied there, as it is here without them; what they deny is not. Empty lists of HTTP rules, which
 * match no request: the rule goes, as it allows nothing. Rules for Kafka: cilium/proxy no longer reads them and
 * would let every request of their peers through, so they go, and their peers are denied.
 */
export function forOtherProxies(policy: NetworkPolicy): NetworkPolicy {
  return {
    ...policy,
    endpointIps: policy.endpointIps.slice(0, MAX_ENDPOINT_IPS),
    ingress: plainPorts(policy.ingress),
    egress: plainPorts(policy.egress),
  }
}

function plainPorts(ports: readonly PortPolicy[]): PortPolicy[] {
  return ports.flatMap((entry) => {
    const rules = rulesUpTo('enforce', entry.rules).filter(isUnderstood)
    // An entry without rules admits everybody: one that lost all of its rules has to go.
    return rules.length === 0 && entry.rules.length > 0 ? [] : [{ ...entry, rules }]
  })
}

function isUnderstood({ http, kafka }: PortRule): boolean {
  return kafka === undefined && http?.length !== 0
}
