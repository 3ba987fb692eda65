// `toPorts` of CiliumNetworkPolicy: ports and what is allowed on them.
import {
  EVERY_PORT,
  LAST_PORT,
  SCTP,
  TCP,
  UDP,
  type NamedPort,
  type PortGrant,
  type PortSpan,
} from '../rule-model.ts'
import type { Cursor } from '../yaml-cursor.ts'
import { portNameProblem } from '../port-name.ts'
import { DENY_PORT_RULE, PORT, PORT_RULE } from './fields.ts'
import type { HttpContext } from './http.ts'
import { parseL7Rules, type L7Rules } from './l7-rules.ts'

const MAX_PORTS = 40
/** ANY = every protocol that has ports. */
const PROTOCOLS: Readonly<Record<string, readonly number[]>> = {
  TCP: [TCP],
  UDP: [UDP],
  SCTP: [SCTP],
  ANY: [TCP, UDP, SCTP],
}
const ICMP_PROTOCOLS = ['ICMP', 'ICMPV6']
const UNSUPPORTED_PROTOCOLS = ['VRRP', 'IGMP', 'GRE', 'IPIP', 'IPV6', 'ESP', 'AH']

interface ParsedPort {
  readonly at: Cursor
  readonly protocol: string
  /** A name, lower case, or a range. */
  readonly port: string | { readonly first: number; readonly last: number }
}

/** An absent or empty list means every port and protocol. undefined after a problem. */
export function parseToPorts(
  at: Cursor | undefined,
  deny: boolean,
  http: HttpContext,
): readonly PortGrant[] | undefined {
  if (at === undefined) return [EVERY_PORT]
  const items = at.items()
  if (items === undefined) return undefined
  if (items.length === 0) return [EVERY_PORT]
  const grants = items.map((item, i) => {
    return parsePortRule(item, deny, { ...http, name: `${http.name}.toPorts[${i}]` })
  })
  return grants.every((grant) => grant !== undefined) ? grants : undefined
}

function parsePortRule(at: Cursor, deny: boolean, context: HttpContext): PortGrant | undefined {
  const fields = at.fields(deny ? DENY_PORT_RULE : PORT_RULE)
  if (fields === undefined) return undefined
  const ports = parsePorts(at, fields.get('ports'))
  const rulesAt = fields.get('rules')
  const rules = rulesAt === undefined ? undefined : parseL7Rules(rulesAt, context)
  if (rules !== undefined) checkL7Ports(ports ?? [], rules.protocol)
  if (ports === undefined || (rulesAt !== undefined && rules?.rules === undefined)) return undefined
  return { spans: ports.flatMap(toSpans), named: ports.flatMap(toNames), http: undefined, ...rules?.rules }
}

function parsePorts(rule: Cursor, at: Cursor | undefined): ParsedPort[] | undefined {
  if (at === undefined)
    return rule.failMissing('ports', 'list the ports, or remove toPorts to allow every port')
  const items = at.items()
  if (items === undefined) return undefined
  if (items.length === 0)
    return at.fail('lists no port', 'list the ports, or remove toPorts to allow every port')
  if (items.length > MAX_PORTS) {
    at.fail(`lists ${items.length} ports, the limit is ${MAX_PORTS}`, 'split them over several toPorts items')
  }
  const ports = items.map(parsePort)
  return ports.every((port) => port !== undefined) ? ports : undefined
}

function parsePort(at: Cursor): ParsedPort | undefined {
  const fields = at.fields(PORT)
  if (fields === undefined) return undefined
  const portAt = fields.get('port') ?? at.failMissing('port', 'name the port, "0" for every port')
  const first = portAt === undefined ? undefined : parsePortText(portAt)
  const endAt = fields.get('endPort')
  const port = first === undefined ? undefined : parseRange(first, endAt)
  if (first === undefined) endAt?.integer()
  const protocolAt = fields.get('protocol')
  const protocol = protocolAt === undefined ? 'ANY' : parseProtocol(protocolAt)
  if (portAt === undefined || port === undefined || protocol === undefined) return undefined
  return { at: portAt, protocol, port }
}

/** A number, or a name in lower case. */
function parsePortText(at: Cursor): number | string | undefined {
  const text = at.string()
  if (text === undefined) return undefined
  if (/^\d+$/.test(text)) {
    const port = Number(text)
    return port <= LAST_PORT ? port : at.fail(`port must be 0 to ${LAST_PORT}`, '"0" means every port')
  }
  // Also what looks like a number in another base: "0x10" is a name.
  const problem = portNameProblem(text)
  if (problem === undefined) return text.toLowerCase()
  return at.fail('is not a port number or name', `write 0 to ${LAST_PORT} in quotes, or a name: ${problem}`)
}

function parseRange(first: number | string, endAt: Cursor | undefined): ParsedPort['port'] | undefined {
  if (typeof first === 'number') {
    const last = endAt === undefined ? first : parseEndPort(endAt, first)
    return last === undefined ? undefined : { first, last }
  }
  const end = endAt === undefined ? 0 : endAt.integer()
  if (end === 0) return first
  return end === undefined
    ? undefined
    : endAt?.fail('a port by name has no end', 'write the range in numbers')
}

function parseEndPort(at: Cursor, firstPort: number): number | undefined {
  const end = at.integer()
  if (end === undefined) return undefined
  if (end < 0 || end > LAST_PORT) return at.fail(`endPort must be 1 to ${LAST_PORT}`)
  // Cilium takes a zero for "not set".
  if (end === 0 || end === firstPort) return firstPort
  if (firstPort === 0) return at.fail('a range cannot begin at port 0', 'begin at "1", or remove endPort')
  if (end < firstPort) return at.fail(`endPort is below port ${firstPort}`, 'swap the two')
  return end
}

function parseProtocol(at: Cursor): string | undefined {
  const text = at.string()
  if (text === undefined) return undefined
  const known = Object.keys(PROTOCOLS)
  if (known.includes(text)) return text
  const upper = text.toUpperCase()
  if (known.includes(upper)) return at.fail('protocol must be in capitals', `write ${upper}`)
  if (ICMP_PROTOCOLS.includes(upper)) return at.fail('ICMP has no ports', 'use icmps beside the peers')
  if (UNSUPPORTED_PROTOCOLS.includes(upper)) {
    return at.fail(`protocol "${text}" is not supported yet`, `use ${known.join(', ')}`)
  }
  return at.fail('unknown protocol', `use ${known.join(', ')}`)
}

const SPOKEN = { http: 'HTTP', kafka: 'Kafka' } as const

/** Requests are found in TCP streams only, and "every port" would send all of a peer's traffic to the proxy. */
function checkL7Ports(ports: readonly ParsedPort[], l7: L7Rules['protocol']): void {
  for (const { at, protocol, port } of ports) {
    if (protocol !== 'TCP') {
      at.fail(`${l7} rules need protocol TCP, not ${protocol}`, 'write protocol: TCP beside the port')
    }
    if (typeof port !== 'string' && port.first === 0) {
      at.fail(`${l7} rules need a port, not "0"`, `name the port that speaks ${SPOKEN[l7]}`)
    }
  }
}

function toSpans({ protocol, port }: ParsedPort): PortSpan[] {
  if (typeof port === 'string') return []
  const lastPort = port.first === 0 ? LAST_PORT : port.last
  return (PROTOCOLS[protocol] ?? []).map((number) => ({ protocol: number, firstPort: port.first, lastPort }))
}

function toNames({ protocol, port }: ParsedPort): NamedPort[] {
  if (typeof port !== 'string') return []
  return (PROTOCOLS[protocol] ?? []).map((number) => ({ name: port, protocol: number }))
}
