// `icmps` of Cilium's policies: ICMP messages by type.
import { ICMP, ICMPV6, type PortGrant, type PortSpan } from '../rule-model.ts'
import type { Cursor } from '../yaml-cursor.ts'
import { nearestName } from '../nearest-name.ts'
import { ICMP_FIELD, ICMP_ITEM } from './fields.ts'

const MAX_FIELDS = 40
const LAST_TYPE = 255

const PROTOCOLS: Readonly<Record<string, number>> = { IPv4: ICMP, IPv6: ICMPV6 }

const TYPES_V4: Readonly<Record<string, number>> = {
  EchoReply: 0,
  DestinationUnreachable: 3,
  Redirect: 5,
  Echo: 8,
  EchoRequest: 8,
  RouterAdvertisement: 9,
  RouterSelection: 10,
  TimeExceeded: 11,
  ParameterProblem: 12,
  Timestamp: 13,
  TimestampReply: 14,
  Photuris: 40,
  ExtendedEchoRequest: 42,
  ExtendedEchoReply: 43,
}

const TYPES_V6: Readonly<Record<string, number>> = {
  DestinationUnreachable: 1,
  PacketTooBig: 2,
  TimeExceeded: 3,
  ParameterProblem: 4,
  EchoRequest: 128,
  EchoReply: 129,
  MulticastListenerQuery: 130,
  MulticastListenerReport: 131,
  MulticastListenerDone: 132,
  RouterSolicitation: 133,
  RouterAdvertisement: 134,
  NeighborSolicitation: 135,
  NeighborAdvertisement: 136,
  RedirectMessage: 137,
  RouterRenumbering: 138,
  ICMPNodeInformationQuery: 139,
  ICMPNodeInformationResponse: 140,
  InverseNeighborDiscoverySolicitation: 141,
  InverseNeighborDiscoveryAdvertisement: 142,
  HomeAgentAddressDiscoveryRequest: 144,
  HomeAgentAddressDiscoveryReply: 145,
  MobilePrefixSolicitation: 146,
  MobilePrefixAdvertisement: 147,
  DuplicateAddressRequestCodeSuffix: 157,
  DuplicateAddressConfirmationCodeSuffix: 158,
  ExtendedEchoRequest: 160,
  ExtendedEchoReply: 161,
}

/** The datapath passes these without asking: IPv6 does not work without them. */
const FIRST_NEIGHBOUR_DISCOVERY = 133
const LAST_NEIGHBOUR_DISCOVERY = 137

/** undefined after a problem. */
export function parseIcmps(at: Cursor, deny: boolean): readonly PortGrant[] | undefined {
  const grants = at.items()?.map((item) => parseItem(item, deny))
  return grants?.every((grant) => grant !== undefined) ? grants : undefined
}

function parseItem(at: Cursor, deny: boolean): PortGrant | undefined {
  const fieldsAt = at.fields(ICMP_ITEM)
  if (fieldsAt === undefined) return undefined
  const listAt =
    fieldsAt.get('fields') ?? at.failMissing('fields', 'list the types, e.g. - type: EchoRequest')
  const items = listAt?.items()
  if (listAt === undefined || items === undefined) return undefined
  if (items.length === 0) return listAt.fail('lists no type', 'list at least one, e.g. - type: EchoRequest')
  if (items.length > MAX_FIELDS) {
    listAt.fail(
      `lists ${items.length} types, the limit is ${MAX_FIELDS}`,
      'split them over several icmps items',
    )
  }
  const spans = items.map((item) => parseField(item, deny))
  return spans.every((span) => span !== undefined) ? { spans, named: [], http: undefined } : undefined
}

function parseField(at: Cursor, deny: boolean): PortSpan | undefined {
  const fields = at.fields(ICMP_FIELD)
  if (fields === undefined) return undefined
  const familyAt = fields.get('family')
  const family = familyAt === undefined ? 'IPv4' : parseFamily(familyAt)
  const typeAt = fields.get('type') ?? at.failMissing('type', 'name the type, e.g. EchoRequest, or 8')
  if (family === undefined || typeAt === undefined) return undefined
  const type = parseType(typeAt, family === 'IPv4' ? TYPES_V4 : TYPES_V6)
  const protocol = PROTOCOLS[family]
  if (type === undefined || protocol === undefined) return undefined
  const isNeighbour = type >= FIRST_NEIGHBOUR_DISCOVERY && type <= LAST_NEIGHBOUR_DISCOVERY
  if (deny && protocol === ICMPV6 && isNeighbour) {
    return typeAt.fail(
      'neighbour discovery cannot be denied',
      'remove the type; IPv6 does not work without it',
    )
  }
  return { protocol, firstPort: type, lastPort: type }
}

function parseFamily(at: Cursor): string | undefined {
  const family = at.string()
  if (family === undefined || family in PROTOCOLS) return family
  return at.fail('unknown family', 'write IPv4 or IPv6')
}

function parseType(at: Cursor, names: Readonly<Record<string, number>>): number | undefined {
  const value = at.isText ? at.string() : at.integer()
  if (value === undefined) return undefined
  if (typeof value === 'string') {
    const known = names[value] ?? (/^\d{1,3}$/.test(value) ? Number(value) : undefined)
    if (known !== undefined && known <= LAST_TYPE) return known
    const near = nearestName(value, Object.keys(names))
    return at.fail(
      'unknown ICMP type of this family',
      near === undefined ? 'write its number, or a name such as EchoRequest' : `did you mean "${near}"?`,
    )
  }
  if (value >= 0 && value <= LAST_TYPE) return value
  return at.fail(`an ICMP type is 0 to ${LAST_TYPE}`, 'write its number, or a name such as EchoRequest')
}
