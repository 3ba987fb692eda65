// `spec` of a NetworkPolicy (networking.k8s.io/v1).
import { prefixSelector } from '../cidr-labels.ts'
import type { Direction } from '../network-policy.ts'
import { portNameProblem } from '../port-name.ts'
import { NORMAL_LEVEL } from '../precedence.ts'
import { readExcept, readPrefix } from '../prefix-text.ts'
import {
  EVERY_PORT,
  LAST_PORT,
  SCTP,
  TCP,
  UDP,
  type DirectionRules,
  type PortGrant,
  type Rule,
  type RuleElement,
} from '../rule-model.ts'
import type { Selector } from '../selector.ts'
import type { Cursor, Fields } from '../yaml-cursor.ts'
import { EGRESS_RULE, INGRESS_RULE, IP_BLOCK, NETWORK_POLICY, PEER, PORT } from './fields.ts'
import { podSelector } from './selectors.ts'

const TYPES: Readonly<Record<string, Direction>> = { Ingress: 'ingress', Egress: 'egress' }
const PROTOCOLS: Readonly<Record<string, number>> = { TCP, UDP, SCTP }

/** @param prefix begins the names of all parts. */
export function parseNetworkPolicy(root: Cursor, fields: Fields, namespace: string, prefix: string): Rule[] {
  const at = fields.get('spec') ?? root.failMissing('spec', 'add spec with a podSelector')
  const spec = at?.fields(NETWORK_POLICY)
  if (at === undefined || spec === undefined) return []
  const podsAt =
    spec.get('podSelector') ?? at.failMissing('podSelector', 'write {} to select the whole namespace')
  const subject = podsAt === undefined ? undefined : podSelector(podsAt, undefined, namespace)
  const types = parseTypes(spec)
  const direction = (name: Direction): DirectionRules => {
    const rulesAt = spec.get(name)
    const elements = (rulesAt?.items() ?? []).map((item, i) => {
      return parseElement(item, name, namespace, `${prefix}${name}[${i}]`)
    })
    if (elements.length > 0 && !types.includes(name)) {
      rulesAt?.fail(`has rules, but policyTypes leaves ${name} out`, 'add the type, or remove the rules')
    }
    // Rules of a direction that the policy is not about are refused above.
    return {
      defaultDeny: types.includes(name),
      elements: elements.filter((element) => element !== undefined),
    }
  }
  const [ingress, egress] = [direction('ingress'), direction('egress')]
  return subject === undefined ? [] : [{ subject, ingress, egress }]
}

/** Without a word on it: ingress always, egress when there are rules for it. */
function parseTypes(spec: Fields): Direction[] {
  const at = spec.get('policyTypes')
  if (at === undefined)
    return (spec.get('egress')?.items()?.length ?? 0) > 0 ? ['ingress', 'egress'] : ['ingress']
  const types = (at.items() ?? []).map((item) => {
    const text = item.string()
    if (text === undefined) return undefined
    return TYPES[text] ?? item.fail('unknown policy type', 'write Ingress or Egress')
  })
  if (types.length === 0) at.fail('lists no type', 'write Ingress, Egress or both, or remove policyTypes')
  return types.filter((type) => type !== undefined)
}

function parseElement(
  at: Cursor,
  direction: Direction,
  namespace: string,
  name: string,
): RuleElement | undefined {
  const fields = at.fields(direction === 'ingress' ? INGRESS_RULE : EGRESS_RULE)
  if (fields === undefined) return undefined
  const peersAt = fields.get(direction === 'ingress' ? 'from' : 'to')
  const peers = peersAt === undefined ? [] : peersAt.items()?.map((item) => parsePeer(item, namespace))
  const portsAt = fields.get('ports')
  const ports = portsAt === undefined ? [] : portsAt.items()?.map(parsePort)
  if (peers === undefined || !peers.every((peer) => peer !== undefined)) return undefined
  if (ports === undefined || !ports.every((port) => port !== undefined)) return undefined
  return {
    name,
    action: 'allow',
    level: NORMAL_LEVEL,
    // Both: nothing listed is no restriction.
    peers: peers.length === 0 ? 'any' : peers,
    grants: ports.length === 0 ? [EVERY_PORT] : ports,
  }
}

function parsePeer(at: Cursor, namespace: string): Selector | undefined {
  const fields = at.fields(PEER)
  if (fields === undefined) return undefined
  const blockAt = fields.get('ipBlock')
  const podsAt = fields.get('podSelector')
  const namespacesAt = fields.get('namespaceSelector')
  if (blockAt !== undefined) {
    if (podsAt !== undefined || namespacesAt !== undefined) {
      return blockAt.fail('cannot be combined with selectors in one peer', 'write two peers; peers are ORed')
    }
    return parseBlock(blockAt)
  }
  if (podsAt === undefined && namespacesAt === undefined) {
    // Silent when the mapping held something else: that is a problem of its own.
    if (at.entries()?.length === 0) at.fail('names nobody', 'write podSelector, namespaceSelector or ipBlock')
    return undefined
  }
  return podSelector(podsAt, namespacesAt, namespace)
}

function parseBlock(at: Cursor): Selector | undefined {
  const fields = at.fields(IP_BLOCK)
  if (fields === undefined) return undefined
  const cidrAt = fields.get('cidr') ?? at.failMissing('cidr', 'write cidr: address/length')
  const prefix = cidrAt === undefined ? undefined : readPrefix(cidrAt, false)
  const except = readExcept(fields.get('except'), prefix)
  return prefix === undefined || except === undefined ? undefined : prefixSelector(prefix, except)
}

function parsePort(at: Cursor): PortGrant | undefined {
  const fields = at.fields(PORT)
  if (fields === undefined) return undefined
  const protocolAt = fields.get('protocol')
  const protocolName = protocolAt === undefined ? 'TCP' : protocolAt.string()
  if (protocolName === undefined) return undefined
  const protocol = PROTOCOLS[protocolName]
  if (protocol === undefined)
    return protocolAt?.fail('unknown protocol', `use ${Object.keys(PROTOCOLS).join(', ')}`)
  const portAt = fields.get('port')
  const endAt = fields.get('endPort')
  if (portAt === undefined) {
    if (endAt !== undefined) return endAt.fail('endPort without port', 'add port, or remove endPort')
    return { spans: [{ protocol, firstPort: 0, lastPort: LAST_PORT }], named: [], http: undefined }
  }
  if (portAt.isText) {
    const name = portAt.string() ?? ''
    const problem = portNameProblem(name)
    if (problem !== undefined)
      return portAt.fail('is not a port name', `${problem}; numbers stand without quotes`)
    if (endAt !== undefined) return endAt.fail('a port by name has no end', 'write the range in numbers')
    return { spans: [], named: [{ name: name.toLowerCase(), protocol }], http: undefined }
  }
  const firstPort = portAt.integer()
  const lastPort = endAt === undefined ? firstPort : endAt.integer()
  if (firstPort === undefined || lastPort === undefined) return undefined
  if (firstPort < 1 || firstPort > LAST_PORT) return portAt.fail(`port must be 1 to ${LAST_PORT}`)
  if (lastPort < firstPort || lastPort > LAST_PORT) {
    return endAt?.fail(`endPort must be ${firstPort} to ${LAST_PORT}`, 'it is the last port of the range')
  }
  return { spans: [{ protocol, firstPort, lastPort }], named: [], http: undefined }
}
