// The fields of Cilium's policies (cilium.io/v2): those that are understood, and those that are refused by
// name because a policy that is enforced only in part is worse than one that is refused.
import type { FieldTable } from '../yaml-cursor.ts'

const LATER = 'remove it; Weir refuses what it cannot enforce'
const BY_ADDRESS = 'use toCIDR with the addresses, or toEntities [world]'
const NODES = 'use fromEntities or toEntities [host, remote-node]'
const BY_LABELS = 'select the endpoints by their labels with toEndpoints, or use toCIDR'
const GROUPS = 'write the prefixes of the group as items with cidr'

const unsupported = (names: readonly string[], mend = LATER): Record<string, string> =>
  Object.fromEntries(names.map((name) => [name, mend]))

export const RULE: FieldTable = {
  known: [
    'endpointSelector',
    'ingress',
    'egress',
    'ingressDeny',
    'egressDeny',
    'enableDefaultDeny',
    'labels',
    'description',
  ],
  unsupported: {
    ...unsupported(['nodeSelector'], 'use endpointSelector; hosts are not protected'),
    ...unsupported(['log']),
  },
}

export const DEFAULT_DENY: FieldTable = { known: ['ingress', 'egress'] }

/** Fields that say who; at most one of them in an item. */
export const PEER_FIELDS = {
  ingress: { endpoints: 'fromEndpoints', entities: 'fromEntities', cidr: 'fromCIDR', cidrSet: 'fromCIDRSet' },
  egress: { endpoints: 'toEndpoints', entities: 'toEntities', cidr: 'toCIDR', cidrSet: 'toCIDRSet' },
} as const

export const INGRESS: FieldTable = {
  known: [...Object.values(PEER_FIELDS.ingress), 'toPorts', 'icmps'],
  unsupported: {
    ...unsupported(['fromNodes'], NODES),
    ...unsupported(['fromGroups', 'fromRequires', 'authentication']),
  },
}

export const EGRESS: FieldTable = {
  known: [...Object.values(PEER_FIELDS.egress), 'toPorts', 'icmps'],
  unsupported: {
    ...unsupported(['toFQDNs'], BY_ADDRESS),
    ...unsupported(['toServices'], BY_LABELS),
    ...unsupported(['toNodes'], NODES),
    ...unsupported(['toGroups', 'toRequires', 'authentication']),
  },
}

export const CIDR_ITEM: FieldTable = {
  known: ['cidr', 'except'],
  unsupported: unsupported(['cidrGroupRef', 'cidrGroupSelector'], GROUPS),
}

export const PORT_RULE: FieldTable = {
  known: ['ports', 'rules'],
  unsupported: unsupported(['terminatingTLS', 'originatingTLS', 'serverNames', 'listener']),
}

/** A deny rule cannot look into requests: refusing them is the work of an allow rule that lists the others. */
export const DENY_PORT_RULE: FieldTable = {
  known: ['ports'],
  unsupported: {
    ...PORT_RULE.unsupported,
    ...unsupported(['rules'], 'remove it; deny rules work on peers and ports only'),
  },
}

export const PORT: FieldTable = { known: ['port', 'endPort', 'protocol'] }

export const ICMP_ITEM: FieldTable = { known: ['fields'] }
export const ICMP_FIELD: FieldTable = { known: ['family', 'type'] }

export const L7_RULES: FieldTable = {
  known: ['http', 'kafka'],
  unsupported: unsupported(['dns', 'l7proto', 'l7']),
}

export const HTTP: FieldTable = { known: ['method', 'path', 'host', 'headers', 'headerMatches'] }

export const HEADER_MATCH: FieldTable = {
  known: ['name', 'value', 'mismatch'],
  unsupported: unsupported(['secret'], 'write the value itself as value'),
}

/** The last three are Weir's own. */
export const KAFKA: FieldTable = {
  known: [
    ...['role', 'apiKey', 'apiVersion', 'clientID', 'topic'],
    ...['topicPrefix', 'group', 'transactionalID'],
  ],
}
