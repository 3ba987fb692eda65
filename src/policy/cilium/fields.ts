// The fields of CiliumNetworkPolicy (cilium.io/v2): those that are understood, and those that are refused by
// name because a policy that is enforced only in part is worse than one that is refused.
import type { FieldTable } from '../yaml-cursor.ts'

const LATER = 'remove it; Weir refuses what it cannot enforce'
const CIDR = 'use fromEntities or toEntities [world] with toPorts, or remove it'

const unsupported = (names: readonly string[], mend = LATER): Record<string, string> =>
  Object.fromEntries(names.map((name) => [name, mend]))

export const DOCUMENT: FieldTable = {
  // `status` is written by controllers and comes along when a policy is exported.
  known: ['apiVersion', 'kind', 'metadata', 'spec', 'specs', 'status'],
}

export const METADATA: FieldTable = {
  known: [
    'name',
    'namespace',
    'labels',
    'annotations',
    // What the API server adds; none of it changes what the policy means.
    'uid',
    'resourceVersion',
    'generation',
    'creationTimestamp',
    'managedFields',
    'ownerReferences',
    'finalizers',
    'selfLink',
  ],
}

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

export const INGRESS: FieldTable = {
  known: ['fromEndpoints', 'fromEntities', 'toPorts'],
  unsupported: {
    ...unsupported(['fromCIDR', 'fromCIDRSet'], CIDR),
    ...unsupported(['fromNodes', 'fromGroups', 'fromRequires', 'icmps', 'authentication']),
  },
}

export const EGRESS: FieldTable = {
  known: ['toEndpoints', 'toEntities', 'toPorts'],
  unsupported: {
    ...unsupported(['toCIDR', 'toCIDRSet', 'toFQDNs'], CIDR),
    ...unsupported(['toServices', 'toNodes', 'toGroups', 'toRequires', 'icmps', 'authentication']),
  },
}

export const PORT_RULE: FieldTable = {
  known: ['ports', 'rules'],
  unsupported: unsupported(['terminatingTLS', 'originatingTLS', 'serverNames', 'listener']),
}

/** A deny rule cannot look into requests: refusing them is the work of an allow rule that lists the others. */
export const DENY_PORT_RULE: FieldTable = {
  known: ['ports'],
  unsupported: unsupported(['rules'], 'remove it; deny rules work on peers and ports only'),
}

export const PORT: FieldTable = { known: ['port', 'endPort', 'protocol'] }

export const L7_RULES: FieldTable = {
  known: ['http'],
  unsupported: unsupported(['dns', 'kafka', 'l7proto', 'l7']),
}

export const HTTP: FieldTable = {
  known: ['method', 'path', 'host', 'headers'],
  unsupported: unsupported(['headerMatches'], 'use headers'),
}

export const SELECTOR: FieldTable = { known: ['matchLabels', 'matchExpressions'] }
export const EXPRESSION: FieldTable = { known: ['key', 'operator', 'values'] }
