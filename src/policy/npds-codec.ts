// weir.NetworkPolicy <-> cilium.NetworkPolicy messages as plain objects. Pure: no protobuf code here.
import type { KafkaNetworkPolicyRules__Output } from '../gen/cilium/KafkaNetworkPolicyRules.ts'
import type { NetworkPolicy as WirePolicy, NetworkPolicy__Output } from '../gen/cilium/NetworkPolicy.ts'
import type { PortNetworkPolicy, PortNetworkPolicy__Output } from '../gen/cilium/PortNetworkPolicy.ts'
import type {
  PortNetworkPolicyRule,
  PortNetworkPolicyRule__Output,
} from '../gen/cilium/PortNetworkPolicyRule.ts'
import { asEndpointId, asIdentity, type Identity } from '../lib/brands.ts'
import { WeirError } from '../lib/errors.ts'
import type { KafkaRule, NetworkPolicy, PortPolicy, PortRule } from './network-policy.ts'
import { checkPasses, checkPortRange } from './npds-checks.ts'
import { decodeHttpRule, encodeHttpRule } from './npds-http-codec.ts'
import { decodeKafkaRule, encodeKafkaRule } from './npds-kafka-codec.ts'
import { decodeMode, encodeMode } from './npds-mode.ts'
import { isParserKnown } from './npds-unsupported.ts'

/**
 * On the wire an empty `remote_policies` means any peer, so a rule whose selectors match nobody needs an
 * identity that no allocator gives out. A receiver that does not know this convention matches nobody either.
 */
export const NOBODY = asIdentity(0xffff_ffff)

const MAX_PORT = 0xffff

export function encodeNetworkPolicy(policy: NetworkPolicy): WirePolicy {
  return {
    endpointId: policy.endpointId,
    endpointIps: [...policy.endpointIps],
    ingressPerPortPolicies: policy.ingress.map(encodePort),
    egressPerPortPolicies: policy.egress.map(encodePort),
  }
}

function encodePort(entry: PortPolicy): PortNetworkPolicy {
  return {
    port: entry.port,
    endPort: entry.endPort === entry.port ? 0 : entry.endPort,
    protocol: 'TCP',
    rules: entry.rules.map(encodeRule),
  }
}

function encodeRule(rule: PortRule): PortNetworkPolicyRule {
  const passPrecedence = rule.passPrecedence ?? 0
  return {
    name: rule.name,
    precedence: rule.precedence,
    ...(rule.deny ? { deny: true } : {}),
    ...(passPrecedence === 0 ? {} : { passPrecedence }),
    ...(rule.proxyId === undefined ? {} : { proxyId: rule.proxyId }),
    remotePolicies: encodeRemotes(rule.remoteIdentities),
    ...(rule.http === undefined ? {} : { httpRules: { httpRules: rule.http.map(encodeHttpRule) } }),
    ...encodeKafka(rule.kafka),
    ...encodeMode(rule.mode),
  }
}

/** The parser is named, too: that is how cilium/proxy chooses one. */
function encodeKafka(
  rules: readonly KafkaRule[] | undefined,
): Pick<PortNetworkPolicyRule, 'l7Proto' | 'kafkaRules'> {
  if (rules === undefined) return {}
  return { l7Proto: 'kafka', kafkaRules: { kafkaRules: rules.map(encodeKafkaRule) } }
}

function encodeRemotes(identities: readonly Identity[] | undefined): number[] {
  if (identities === undefined) return []
  return identities.length === 0 ? [NOBODY] : [...identities]
}

/**
 * A field that the proxy does not enforce is refused, never ignored: ignoring one would open the gate.
 * Entries of other protocols than TCP are left out, as they never meet a TCP connection.
 * @throws WeirError POLICY_INVALID with the path of the field.
 */
export function decodeNetworkPolicy(message: NetworkPolicy__Output): NetworkPolicy {
  const at = `policy of endpoint ${message.endpointId}`
  if (message.endpointId === 0) refuse(at, 'NetworkPolicyResource endpoint_id must be non-zero')
  if (message.endpointId > 0xffff) refuse(at, 'endpoint_id must be 1..65535')
  if (message.endpointIps.length === 0) refuse(at, 'NetworkPolicyResource has no endpoint ips')
  return {
    endpointId: asEndpointId(message.endpointId),
    endpointIps: message.endpointIps,
    ingress: decodePorts(message.ingressPerPortPolicies, `${at}: ingress_per_port_policies`),
    egress: decodePorts(message.egressPerPortPolicies, `${at}: egress_per_port_policies`),
  }
}

function decodePorts(entries: readonly PortNetworkPolicy__Output[], at: string): PortPolicy[] {
  const result: PortPolicy[] = []
  entries.forEach((entry, i) => {
    if (entry.protocol === 'TCP') result.push(decodePort(entry, `${at}[${i}]`))
  })
  checkPasses(result, at)
  return result
}

function decodePort(entry: PortNetworkPolicy__Output, at: string): PortPolicy {
  const { port, endPort } = entry
  if (port > MAX_PORT) refuse(at, `port ${port} must be 0..${MAX_PORT}`)
  if (endPort > MAX_PORT) refuse(at, `end_port ${endPort} must be 0..${MAX_PORT}`)
  checkPortRange(port, endPort, at)
  const rules = entry.rules.map((rule, i) => decodeRule(rule, `${at}.rules[${i}]`))
  return { port, endPort: endPort === 0 ? port : endPort, rules }
}

function decodeRule(rule: PortNetworkPolicyRule__Output, at: string): PortRule {
  const { precedence, proxyId, passPrecedence = 0, deny = false } = rule
  refuseUnsupported(rule, at)
  if (passPrecedence > precedence) {
    const problem = `pass_precedence ${passPrecedence} must be lower than precedence ${precedence}`
    refuse(at, `PortNetworkPolicyRule: ${problem}`)
  }
  if (proxyId > MAX_PORT) refuse(at, `proxy_id ${proxyId} must be 0..${MAX_PORT}`)
  // What it would mean is not defined, and guessing would open or close too much.
  const l7 = rule.kafkaRules ? 'kafka_rules' : 'http_rules'
  if (rule.l7 !== undefined && deny) refuse(at, `${l7} is not supported beside deny`)
  if (rule.l7 !== undefined && passPrecedence !== 0) {
    refuse(at, `${l7} is not supported beside pass_precedence`)
  }
  return {
    name: rule.name,
    precedence,
    deny,
    ...(passPrecedence === 0 ? {} : { passPrecedence }),
    ...(proxyId === 0 ? {} : { proxyId }),
    remoteIdentities: decodeRemotes(rule.remotePolicies),
    http: rule.httpRules?.httpRules.map((http, i) => decodeHttpRule(http, `${at}.http_rules[${i}]`)),
    ...decodeKafka(rule.kafkaRules, at),
    ...decodeMode(rule.weirMode, at),
  }
}

function decodeKafka(
  wire: KafkaNetworkPolicyRules__Output | null | undefined,
  at: string,
): Pick<PortRule, 'kafka'> {
  // Without the oneof's choice the field may be there as null.
  if (wire === undefined || wire === null) return {}
  return { kafka: wire.kafkaRules.map((rule, i) => decodeKafkaRule(rule, `${at}.kafka_rules[${i}]`)) }
}

function refuseUnsupported(rule: PortNetworkPolicyRule__Output, at: string): void {
  if (rule.serverNames.length > 0) refuse(at, 'server_names is not supported')
  if (rule.downstreamTlsContext !== null) refuse(at, 'downstream_tls_context is not supported')
  if (rule.upstreamTlsContext !== null) refuse(at, 'upstream_tls_context is not supported')
  if (rule.l7Rules) refuse(at, 'l7_rules is not supported')
  if (!isParserKnown(rule)) refuse(at, `l7_proto ${JSON.stringify(rule.l7Proto)} is not supported`)
}

function decodeRemotes(identities: readonly number[]): Identity[] | undefined {
  if (identities.length === 0) return undefined
  // The proxy searches them by halving, and other agents promise no order.
  return identities
    .filter((id) => id !== NOBODY)
    .map(asIdentity)
    .sort((a, b) => a - b)
}

function refuse(at: string, problem: string): never {
  throw new WeirError('POLICY_INVALID', `${at}: ${problem}`)
}
