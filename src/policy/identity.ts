// Identities: u32 numbers for sets of labels. Numbers below 256 are reserved and mean the same as in Cilium.
import { asIdentity, type Identity } from '../lib/brands.ts'
import { LabelSet, RESERVED_SOURCE, type Label } from './labels.ts'

/** In a policy map entry: any peer. As the identity of a packet: not known. */
export const ANY_IDENTITY = asIdentity(0)
export const FIRST_ALLOCATED_IDENTITY = 256
/** Only 16 bits of a number travel in marks without a cluster id. */
export const LAST_ALLOCATED_IDENTITY = 65_535
/** Numbers of this node only, for prefixes; they never travel. */
export const FIRST_LOCAL_IDENTITY = 0x0100_0001
export const LAST_LOCAL_IDENTITY = 0x0100_ffff

export interface IdentityRange {
  readonly first: number
  /** Inclusive. */
  readonly last: number
}

export const CLUSTER_RANGE: IdentityRange = { first: FIRST_ALLOCATED_IDENTITY, last: LAST_ALLOCATED_IDENTITY }
export const LOCAL_RANGE: IdentityRange = { first: FIRST_LOCAL_IDENTITY, last: LAST_LOCAL_IDENTITY }

export const RESERVED_IDENTITIES = {
  unknown: 0,
  host: 1,
  world: 2,
  unmanaged: 3,
  health: 4,
  init: 5,
  'remote-node': 6,
  'kube-apiserver': 7,
  ingress: 8,
  'world-ipv4': 9,
  'world-ipv6': 10,
  'aggregate-cluster': 11,
  'aggregate-cluster-mesh': 12,
  'aggregate-world': 13,
  'aggregate-remote-node': 14,
} as const
export type ReservedName = keyof typeof RESERVED_IDENTITIES

export const HOST_IDENTITY = asIdentity(RESERVED_IDENTITIES.host)
export const WORLD_IDENTITY = asIdentity(RESERVED_IDENTITIES.world)

/**
 * Reserved identities that packets can carry here, so that selectors must know them. The split world
 * (9, 10) is left out, because outside addresses are `world` unless a policy tells the families apart; and so
 * are the aggregates (11 to 14).
 */
const PEER_NAMES = [
  'host',
  'world',
  'unmanaged',
  'health',
  'init',
  'remote-node',
  'kube-apiserver',
  'ingress',
] as const

export interface LabelledIdentity {
  readonly identity: Identity
  readonly labels: LabelSet
}

/** The API server runs on a node, hence its second label. */
export function reservedPeers(): LabelledIdentity[] {
  return PEER_NAMES.map((name) => ({
    identity: asIdentity(RESERVED_IDENTITIES[name]),
    labels: new LabelSet(
      (name === 'kube-apiserver' ? [name, 'remote-node'] : [name]).map((key) => reservedLabel(key)),
    ),
  }))
}

export function reservedName(identity: Identity): ReservedName | undefined {
  const entries = Object.entries(RESERVED_IDENTITIES) as [ReservedName, number][]
  return entries.find(([, number]) => number === identity)?.[0]
}

function reservedLabel(key: string): Label {
  return { source: RESERVED_SOURCE, key, value: '' }
}
