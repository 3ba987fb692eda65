// weir.NetworkPolicy <-> cilium.NetworkPolicy messages as plain objects. Pure: no protobuf code here.
import type { HeaderMatcher, HeaderMatcher__Output } from '../gen/envoy/config/route/v3/HeaderMatcher.ts'
import type {
  HttpNetworkPolicyRule,
  HttpNetworkPolicyRule__Output,
} from '../gen/cilium/HttpNetworkPolicyRule.ts'
import type { NetworkPolicy as WirePolicy, NetworkPolicy__Output } from '../gen/cilium/NetworkPolicy.ts'
import type { PortNetworkPolicy, PortNetworkPolicy__Output } from '../gen/cilium/PortNetworkPolicy.ts'
import type {
  PortNetworkPolicyRule,
  PortNetworkPolicyRule__Output,
} from '../gen/cilium/PortNetworkPolicyRule.ts'
import { asEndpointId, asIdentity, type Identity } from '../lib/brands.ts'
import { WeirError } from '../lib/errors.ts'
import type { HeaderRule, HttpRule, NetworkPolicy, PortPolicy, PortRule } from './network-policy.ts'

/**
 * On the wire an empty `remote_policies` means any peer, so a rule whose selectors match nobody needs an
 * identity that no allocator gives out. A receiver that does not know this convention matches nobody either.
 */
export const NOBODY = asIdentity(0xffff_ffff)

const PSEUDO_HEADERS = { method: ':method', path: ':path', host: ':authority' } as const
type PseudoField = keyof typeof PSEUDO_HEADERS
const PSEUDO_FIELDS = Object.keys(PSEUDO_HEADERS) as PseudoField[]

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
  return {
    name: rule.name,
    precedence: rule.precedence,
    ...(rule.deny ? { deny: true } : {}),
    remotePolicies: encodeRemotes(rule.remoteIdentities),
    ...(rule.http === undefined ? {} : { httpRules: { httpRules: rule.http.map(encodeHttpRule) } }),
  }
}

function encodeRemotes(identities: readonly Identity[] | undefined): number[] {
  if (identities === undefined) return []
  return identities.length === 0 ? [NOBODY] : [...identities]
}

function encodeHttpRule(rule: HttpRule): HttpNetworkPolicyRule {
  const headers: HeaderMatcher[] = []
  for (const field of PSEUDO_FIELDS) {
    const regex = rule[field]
    if (regex !== undefined)
      headers.push({ name: PSEUDO_HEADERS[field], stringMatch: { safeRegex: { regex } } })
  }
  for (const { name, value } of rule.headers) {
    headers.push(value === undefined ? { name, presentMatch: true } : { name, stringMatch: { exact: value } })
  }
  return { weirName: rule.name, headers }
}

/**
 * A field that the proxy does not enforce is refused, never ignored: ignoring one would open the gate.
 * Entries of other protocols than TCP are left out, as they never meet a TCP connection.
 * @throws WeirError POLICY_INVALID with the path of the field.
 */
export function decodeNetworkPolicy(message: NetworkPolicy__Output): NetworkPolicy {
  const at = `policy of endpoint ${message.endpointId}`
  if (message.endpointId < 1 || message.endpointId > 0xffff) unsupported(at, 'endpoint_id must be 1..65535')
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
  return result
}

function decodePort(entry: PortNetworkPolicy__Output, at: string): PortPolicy {
  const endPort = entry.endPort === 0 ? entry.port : entry.endPort
  const isRange = endPort !== entry.port
  if (endPort > 0xffff || endPort < entry.port || (isRange && entry.port === 0)) {
    unsupported(at, `port range ${entry.port}-${endPort} must be 1..65535, ascending`)
  }
  const rules = entry.rules.map((rule, i) => decodeRule(rule, `${at}.rules[${i}]`))
  return { port: entry.port, endPort, rules }
}

function decodeRule(rule: PortNetworkPolicyRule__Output, at: string): PortRule {
  if ((rule.passPrecedence ?? 0) !== 0) unsupported(at, 'pass_precedence is not supported')
  if (rule.proxyId !== 0) unsupported(at, 'proxy_id is not supported')
  if (rule.serverNames.length > 0) unsupported(at, 'server_names is not supported')
  if (rule.downstreamTlsContext !== null) unsupported(at, 'downstream_tls_context is not supported')
  if (rule.upstreamTlsContext !== null) unsupported(at, 'upstream_tls_context is not supported')
  if (rule.l7 !== undefined && rule.l7 !== 'httpRules') unsupported(at, `${rule.l7} is not supported`)
  // A parser is named but its rules are not here: only `http` says nothing more than http_rules does.
  if (rule.l7Proto !== '' && rule.l7Proto !== 'http')
    unsupported(at, `l7_proto ${rule.l7Proto} is not supported`)
  return {
    name: rule.name,
    precedence: rule.precedence,
    deny: rule.deny === true,
    remoteIdentities: decodeRemotes(rule.remotePolicies),
    http: rule.httpRules?.httpRules.map((http, i) => decodeHttpRule(http, `${at}.http_rules[${i}]`)),
  }
}

function decodeRemotes(identities: readonly number[]): Identity[] | undefined {
  if (identities.length === 0) return undefined
  return identities.filter((id) => id !== NOBODY).map(asIdentity)
}

function decodeHttpRule(rule: HttpNetworkPolicyRule__Output, at: string): HttpRule {
  if (rule.headerMatches.length > 0) unsupported(at, 'header_matches is not supported')
  const pseudo: { [field in PseudoField]?: string } = {}
  const headers: HeaderRule[] = []
  rule.headers.forEach((matcher, i) => {
    const path = `${at}.headers[${i}]`
    if (matcher.invertMatch) unsupported(path, 'invert_match is not supported')
    if (matcher.treatMissingHeaderAsEmpty) unsupported(path, 'treat_missing_header_as_empty is not supported')
    const field = PSEUDO_FIELDS.find((key) => PSEUDO_HEADERS[key] === matcher.name)
    if (field === undefined) return void headers.push(decodeHeader(matcher, path))
    if (pseudo[field] !== undefined) unsupported(path, `${matcher.name} is matched twice`)
    pseudo[field] = decodeRegex(matcher, path)
  })
  return { name: rule.weirName === '' ? at : rule.weirName, ...pseudo, headers }
}

function decodeRegex(matcher: HeaderMatcher__Output, at: string): string {
  const regex = matcher.stringMatch?.safeRegex?.regex ?? matcher.safeRegexMatch?.regex
  return regex ?? unsupported(at, `${matcher.name} must use string_match.safe_regex`)
}

function decodeHeader(matcher: HeaderMatcher__Output, at: string): HeaderRule {
  const name = matcher.name.toLowerCase()
  if (name === '' || name.startsWith(':')) unsupported(at, `header name ${JSON.stringify(matcher.name)}`)
  // No specifier at all also means presence; `present_match: false` would mean absence.
  if (matcher.presentMatch ?? matcher.headerMatchSpecifier === undefined) return { name, value: undefined }
  const exact = matcher.stringMatch?.ignoreCase === true ? undefined : matcher.stringMatch?.exact
  // Envoy lets an exact "" match any value. Weir would match only the empty one, which is stricter.
  const value = exact ?? matcher.exactMatch
  return { name, value: value ?? unsupported(at, `header ${name} must match an exact value or presence`) }
}

function unsupported(at: string, problem: string): never {
  throw new WeirError('POLICY_INVALID', `${at}: ${problem}`)
}
