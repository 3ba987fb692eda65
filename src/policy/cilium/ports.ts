// `toPorts` of CiliumNetworkPolicy: ports and what is allowed on them.
import { EVERYTHING, LAST_PORT, SCTP, TCP, UDP, type PortGrant, type PortSpan } from '../rule-model.ts'
import type { Cursor } from '../yaml-cursor.ts'
import { DENY_PORT_RULE, PORT, PORT_RULE } from './fields.ts'
import { parseL7Rules, type HttpContext } from './http.ts'

const MAX_PORTS = 40
/** ANY = every protocol that has ports. */
const PROTOCOLS: Readonly<Record<string, readonly number[]>> = {
  TCP: [TCP],
  UDP: [UDP],
  SCTP: [SCTP],
  ANY: [TCP, UDP, SCTP],
}
const UNSUPPORTED_PROTOCOLS = ['ICMP', 'ICMPV6', 'VRRP', 'IGMP', 'GRE', 'IPIP', 'IPV6', 'ESP', 'AH']

interface ParsedPort {
  readonly at: Cursor
  readonly protocol: string
  readonly firstPort: number
  readonly lastPort: number
}

/** An absent or empty list means every port and protocol. undefined after a problem. */
export function parseToPorts(
  at: Cursor | undefined,
  deny: boolean,
  http: HttpContext,
): readonly PortGrant[] | undefined {
  if (at === undefined) return [{ spans: [EVERYTHING], http: undefined }]
  const items = at.items()
  if (items === undefined) return undefined
  if (items.length === 0) return [{ spans: [EVERYTHING], http: undefined }]
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
  if (rules !== undefined) checkHttpPorts(ports ?? [])
  if (ports === undefined || (rulesAt !== undefined && rules?.http === undefined)) return undefined
  return { spans: ports.flatMap(toSpans), http: rules?.http }
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
  const firstPort = portAt === undefined ? undefined : parsePortNumber(portAt)
  const endAt = fields.get('endPort')
  const lastPort = endAt === undefined ? firstPort : parseEndPort(endAt, firstPort)
  const protocolAt = fields.get('protocol')
  const protocol = protocolAt === undefined ? 'ANY' : parseProtocol(protocolAt)
  if (firstPort === undefined || lastPort === undefined || protocol === undefined) return undefined
  return { at: portAt ?? at, protocol, firstPort, lastPort }
}

function parsePortNumber(at: Cursor): number | undefined {
  const text = at.string()
  if (text === undefined) return undefined
  if (/^\d+$/.test(text)) {
    const port = Number(text)
    return port <= LAST_PORT ? port : at.fail(`port must be 0 to ${LAST_PORT}`, '"0" means every port')
  }
  // Also what looks like a number in another base: "0x10" is a name in the syntax of service names.
  if (/^[A-Za-z0-9-]+$/.test(text)) {
    return at.fail(`named port ${JSON.stringify(text)} is not supported yet`, 'write the number, e.g. "8080"')
  }
  return at.fail('is not a port number', `write a number from 0 to ${LAST_PORT} in quotes, e.g. "8080"`)
}

function parseEndPort(at: Cursor, firstPort: number | undefined): number | undefined {
  const end = at.integer()
  if (end === undefined || firstPort === undefined) return undefined
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
  if (UNSUPPORTED_PROTOCOLS.includes(upper)) {
    return at.fail(`protocol "${text}" is not supported yet`, `use ${known.join(', ')}`)
  }
  return at.fail('unknown protocol', `use ${known.join(', ')}`)
}

/** Requests are found in TCP streams only, and "every port" would send all of a peer's traffic to the proxy. */
function checkHttpPorts(ports: readonly ParsedPort[]): void {
  for (const { at, protocol, firstPort } of ports) {
    if (protocol !== 'TCP') {
      at.fail(`http rules need protocol TCP, not ${protocol}`, 'write protocol: TCP beside the port')
    }
    if (firstPort === 0) at.fail('http rules need a port, not "0"', 'name the port that speaks HTTP')
  }
}

function toSpans({ protocol, firstPort, lastPort }: ParsedPort): PortSpan[] {
  const last = firstPort === 0 ? LAST_PORT : lastPort
  return (PROTOCOLS[protocol] ?? []).map((number) => ({ protocol: number, firstPort, lastPort: last }))
}
