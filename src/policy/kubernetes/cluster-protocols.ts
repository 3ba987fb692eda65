// `protocols` of ClusterNetworkPolicy: ports.
import { portNameProblem } from '../port-name.ts'
import { LAST_PORT, SCTP, TCP, UDP, type PortGrant } from '../rule-model.ts'
import type { Cursor } from '../yaml-cursor.ts'
import { hasOneField } from './choices.ts'
import { DESTINATION, DESTINATION_PORT, PROTOCOL, RANGE } from './fields.ts'

const PROTOCOLS = { tcp: TCP, udp: UDP, sctp: SCTP } as const

/** undefined after a problem. */
export function parseProtocol(at: Cursor): PortGrant | undefined {
  const fields = at.fields(PROTOCOL)
  if (fields === undefined || !hasOneField(at)) return undefined
  const namedAt = fields.get('destinationNamedPort')
  if (namedAt !== undefined) return parseNamed(namedAt)
  for (const [name, protocol] of Object.entries(PROTOCOLS)) {
    const protocolAt = fields.get(name)
    if (protocolAt === undefined) continue
    const ports = parseDestination(protocolAt)
    return ports && { spans: [{ protocol, ...ports }], named: [], http: undefined }
  }
  return undefined
}

/** Whatever protocol the endpoint names it for. */
function parseNamed(at: Cursor): PortGrant | undefined {
  const name = at.string()
  if (name === undefined) return undefined
  const problem = portNameProblem(name)
  if (problem !== undefined) return at.fail('is not a port name', problem)
  const named = Object.values(PROTOCOLS).map((protocol) => ({ name: name.toLowerCase(), protocol }))
  return { spans: [], named, http: undefined }
}

function parseDestination(at: Cursor): { firstPort: number; lastPort: number } | undefined {
  const fields = at.fields(DESTINATION)
  if (fields === undefined) return undefined
  const portAt = fields.get('destinationPort') ?? at.failMissing('destinationPort', 'write number or range')
  const port = portAt?.fields(DESTINATION_PORT)
  if (portAt === undefined || port === undefined || !hasOneField(portAt)) return undefined
  const numberAt = port.get('number')
  if (numberAt !== undefined) {
    const number = parseNumber(numberAt)
    return number === undefined ? undefined : { firstPort: number, lastPort: number }
  }
  const rangeAt = port.get('range')
  const range = rangeAt?.fields(RANGE)
  if (rangeAt === undefined || range === undefined) return undefined
  const startAt = range.get('start') ?? rangeAt.failMissing('start', 'name the first port')
  const endAt = range.get('end') ?? rangeAt.failMissing('end', 'name the last port')
  const firstPort = startAt === undefined ? undefined : parseNumber(startAt)
  const lastPort = endAt === undefined ? undefined : parseNumber(endAt)
  if (firstPort === undefined || lastPort === undefined) return undefined
  if (firstPort >= lastPort)
    return endAt?.fail(`end must be above start ${firstPort}`, 'for one port write number')
  return { firstPort, lastPort }
}

function parseNumber(at: Cursor): number | undefined {
  const number = at.integer()
  if (number === undefined || (number >= 1 && number <= LAST_PORT)) return number
  return at.fail(`a port is 1 to ${LAST_PORT}`)
}
