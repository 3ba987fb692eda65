// Rules of other agents that this proxy cannot enforce. Refusing the update for them would freeze the policies of
// the whole node; ignoring what they restrict would open the gate. So their peers are denied, by name.
import type { NetworkPolicy__Output } from '../gen/cilium/NetworkPolicy.ts'
import type { PortNetworkPolicy__Output } from '../gen/cilium/PortNetworkPolicy.ts'
import type { PortNetworkPolicyRule__Output } from '../gen/cilium/PortNetworkPolicyRule.ts'

export interface ClosedPolicy {
  readonly policy: NetworkPolicy__Output
  /** One line per rule that became a denial. */
  readonly closed: readonly string[]
}

/**
 * A rule that asks for a parser, for TLS, for a server name or for a listener of its own becomes a denial of the same peers at the same
 * precedence, whether it allowed, denied or passed: where it would have decided, nobody gets through.
 */
export function closeUnsupported(policy: NetworkPolicy__Output): ClosedPolicy {
  const closed: string[] = []
  const closePorts = (entries: readonly PortNetworkPolicy__Output[], at: string) =>
    entries.map((entry, i) => ({
      ...entry,
      rules: entry.rules.map((rule, j) => {
        const problem = problemOf(rule)
        if (problem === undefined || entry.protocol !== 'TCP') return rule
        closed.push(
          `endpoint ${policy.endpointId}, ${at}[${i}].rules[${j}]${nameOf(rule)}: ${problem} is not supported`,
        )
        return denial(rule, problem)
      }),
    }))
  const ingressPerPortPolicies = closePorts(policy.ingressPerPortPolicies, 'ingress_per_port_policies')
  const egressPerPortPolicies = closePorts(policy.egressPerPortPolicies, 'egress_per_port_policies')
  if (closed.length === 0) return { policy, closed }
  return { policy: { ...policy, ingressPerPortPolicies, egressPerPortPolicies }, closed }
}

function problemOf(rule: PortNetworkPolicyRule__Output): string | undefined {
  if (!isParserKnown(rule)) return `l7_proto ${JSON.stringify(rule.l7Proto)}`
  if (rule.l7Rules) return 'l7_rules'
  if (rule.serverNames.length > 0) return 'server_names'
  if (rule.downstreamTlsContext !== null) return 'downstream_tls_context'
  if (rule.upstreamTlsContext !== null) return 'upstream_tls_context'
  // Traffic of its peers was to go through a listener with checks of its own, which comes here instead.
  if (rule.proxyId !== 0) return `proxy_id ${rule.proxyId}`
  return undefined
}

/** A parser that is named without its rules is unknown: only `http` says nothing more than http_rules does. */
export function isParserKnown({ l7Proto, kafkaRules }: PortNetworkPolicyRule__Output): boolean {
  const isKafka = kafkaRules !== undefined && kafkaRules !== null
  return l7Proto === '' || l7Proto === (isKafka ? 'kafka' : 'http')
}

function nameOf({ name }: PortNetworkPolicyRule__Output): string {
  return name === '' ? '' : ` (${name})`
}

/** Built anew: nothing of what cannot be enforced may stay in it. */
function denial(rule: PortNetworkPolicyRule__Output, problem: string): PortNetworkPolicyRule__Output {
  const { precedence, remotePolicies, weirMode, name } = rule
  return {
    name: `${name === '' ? 'rule' : name} (${problem} is not supported)`,
    precedence,
    proxyId: 0,
    remotePolicies,
    weirMode,
    verdict: 'deny',
    deny: true,
    serverNames: [],
    l7Proto: '',
    downstreamTlsContext: null,
    upstreamTlsContext: null,
  }
}
