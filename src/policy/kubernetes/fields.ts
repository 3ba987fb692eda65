// The fields of NetworkPolicy (networking.k8s.io/v1) and ClusterNetworkPolicy (policy.networking.k8s.io/v1alpha2).
import type { FieldTable } from '../yaml-cursor.ts'

export const NETWORK_POLICY: FieldTable = { known: ['podSelector', 'policyTypes', 'ingress', 'egress'] }
export const INGRESS_RULE: FieldTable = { known: ['from', 'ports'] }
export const EGRESS_RULE: FieldTable = { known: ['to', 'ports'] }
export const PEER: FieldTable = { known: ['podSelector', 'namespaceSelector', 'ipBlock'] }
export const IP_BLOCK: FieldTable = { known: ['cidr', 'except'] }
export const PORT: FieldTable = { known: ['protocol', 'port', 'endPort'] }

export const CLUSTER_POLICY: FieldTable = { known: ['tier', 'priority', 'subject', 'ingress', 'egress'] }
export const SUBJECT: FieldTable = { known: ['namespaces', 'pods'] }
export const PODS: FieldTable = { known: ['namespaceSelector', 'podSelector'] }
export const CLUSTER_INGRESS_RULE: FieldTable = { known: ['name', 'action', 'from', 'protocols'] }
export const CLUSTER_EGRESS_RULE: FieldTable = { known: ['name', 'action', 'to', 'protocols'] }
export const CLUSTER_INGRESS_PEER: FieldTable = { known: ['namespaces', 'pods'] }
export const CLUSTER_EGRESS_PEER: FieldTable = {
  known: ['namespaces', 'pods', 'nodes', 'networks'],
  unsupported: { domainNames: 'use networks with the addresses of the names' },
}
export const PROTOCOL: FieldTable = { known: ['tcp', 'udp', 'sctp', 'destinationNamedPort'] }
export const DESTINATION: FieldTable = { known: ['destinationPort'] }
export const DESTINATION_PORT: FieldTable = { known: ['number', 'range'] }
export const RANGE: FieldTable = { known: ['start', 'end'] }
