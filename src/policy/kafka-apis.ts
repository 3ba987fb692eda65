// Names of Kafka's APIs in rules, and the APIs that a role stands for.
// https://kafka.apache.org/protocol#protocol_api_keys; the first 34 are Cilium's names.

/** By API key. */
const NAMES = [
  'Produce',
  'Fetch',
  'ListOffsets',
  'Metadata',
  'LeaderAndIsr',
  'StopReplica',
  'UpdateMetadata',
  'ControlledShutdown',
  'OffsetCommit',
  'OffsetFetch',
  'FindCoordinator',
  'JoinGroup',
  'Heartbeat',
  'LeaveGroup',
  'SyncGroup',
  'DescribeGroups',
  'ListGroups',
  'SaslHandshake',
  'ApiVersions',
  'CreateTopics',
  'DeleteTopics',
  'DeleteRecords',
  'InitProducerId',
  'OffsetForLeaderEpoch',
  'AddPartitionsToTxn',
  'AddOffsetsToTxn',
  'EndTxn',
  'WriteTxnMarkers',
  'TxnOffsetCommit',
  'DescribeAcls',
  'CreateAcls',
  'DeleteAcls',
  'DescribeConfigs',
  'AlterConfigs',
  'AlterReplicaLogDirs',
  'DescribeLogDirs',
  'SaslAuthenticate',
  'CreatePartitions',
  'CreateDelegationToken',
  'RenewDelegationToken',
  'ExpireDelegationToken',
  'DescribeDelegationToken',
  'DeleteGroups',
  'ElectLeaders',
  'IncrementalAlterConfigs',
  'AlterPartitionReassignments',
  'ListPartitionReassignments',
  'OffsetDelete',
  'DescribeClientQuotas',
  'AlterClientQuotas',
  'DescribeUserScramCredentials',
  'AlterUserScramCredentials',
  'Vote',
  'BeginQuorumEpoch',
  'EndQuorumEpoch',
  'DescribeQuorum',
  'AlterPartition',
  'UpdateFeatures',
  'Envelope',
  'FetchSnapshot',
  'DescribeCluster',
  'DescribeProducers',
  'BrokerRegistration',
  'BrokerHeartbeat',
  'UnregisterBroker',
  'DescribeTransactions',
  'ListTransactions',
  'AllocateProducerIds',
  'ConsumerGroupHeartbeat',
  'ConsumerGroupDescribe',
  'ControllerRegistration',
  'GetTelemetrySubscriptions',
  'PushTelemetry',
  'AssignReplicasToDirs',
  'ListConfigResources',
  'DescribeTopicPartitions',
  'ShareGroupHeartbeat',
  'ShareGroupDescribe',
  'ShareFetch',
  'ShareAcknowledge',
  'AddRaftVoter',
  'RemoveRaftVoter',
  'UpdateRaftVoter',
  'InitializeShareGroupState',
  'ReadShareGroupState',
  'WriteShareGroupState',
  'DeleteShareGroupState',
  'ReadShareGroupStateSummary',
  'StreamsGroupHeartbeat',
  'StreamsGroupDescribe',
  'DescribeShareGroupOffsets',
  'AlterShareGroupOffsets',
  'DeleteShareGroupOffsets',
] as const

/** API keys and versions are int16, and none is negative. */
export const MAX_INT16 = 0x7fff

/** As rules write them: lower case. */
export const KAFKA_API_NAMES: readonly string[] = NAMES.map((name) => name.toLowerCase())

const KEYS = new Map(KAFKA_API_NAMES.map((name, key) => [name, key]))
// Names of before.
KEYS.set('offsets', 2)
KEYS.set('listclientmetricsresources', 74)

/** Of a name in any case, or of the number of an API that has no name here. undefined = there is none. */
export function kafkaApiKey(text: string): number | undefined {
  if (/^[0-9]{1,5}$/.test(text)) return Number(text) <= MAX_INT16 ? Number(text) : undefined
  return KEYS.get(text.toLowerCase())
}

/** For people: `Produce`, or the number. */
export function kafkaApiName(key: number): string {
  return NAMES[key] ?? String(key)
}

type ApiName = (typeof NAMES)[number]

/** To get to know the broker, to log in, and to report metrics that the broker asks for. */
const EVERY_CLIENT: readonly ApiName[] = [
  'Metadata',
  'SaslHandshake',
  'ApiVersions',
  'SaslAuthenticate',
  'GetTelemetrySubscriptions',
  'PushTelemetry',
]

/**
 * What Cilium allows (Produce, Metadata, ApiVersions; Fetch, ListOffsets, Metadata, OffsetCommit, OffsetFetch,
 * FindCoordinator, JoinGroup, Heartbeat, LeaveGroup, SyncGroup, ApiVersions), and what clients of today cannot
 * do without. Committing offsets in a transaction is a consumer's part: its topics are those that were read.
 */
const ROLES: Readonly<Record<string, readonly ApiName[]>> = {
  produce: [
    ...EVERY_CLIENT,
    'Produce',
    'FindCoordinator',
    'InitProducerId',
    'AddPartitionsToTxn',
    'AddOffsetsToTxn',
    'EndTxn',
  ],
  consume: [
    ...EVERY_CLIENT,
    'Fetch',
    'ListOffsets',
    'OffsetCommit',
    'OffsetFetch',
    'FindCoordinator',
    'JoinGroup',
    'Heartbeat',
    'LeaveGroup',
    'SyncGroup',
    'OffsetForLeaderEpoch',
    'TxnOffsetCommit',
    'ConsumerGroupHeartbeat',
    'ShareGroupHeartbeat',
    'ShareFetch',
    'ShareAcknowledge',
  ],
}

export const KAFKA_ROLES: readonly string[] = Object.keys(ROLES)

/** API keys of a role, sorted; undefined = there is no such role. */
export function kafkaRole(text: string): readonly number[] | undefined {
  return ROLE_KEYS.get(text.toLowerCase())
}

const ROLE_KEYS = new Map(
  Object.entries(ROLES).map(([role, names]) => {
    return [role, names.map((name) => NAMES.indexOf(name)).sort((a, b) => a - b)] as const
  }),
)

/** For people: a role, or the names of the APIs. */
export function kafkaApisText(keys: readonly number[]): string {
  const role = [...ROLE_KEYS].find(([, wanted]) => wanted.join() === keys.join())
  return role === undefined ? `API ${keys.map(kafkaApiName).join(' or ')}` : `role ${role[0]}`
}
