// Every request API of Apache Kafka up to 4.3, back to the versions of 0.10: what its requests touch, and how a denial
// answers them. The formats are in the notation of schema.ts; arrays and fields that an answer repeats from its request
// have the same name in both. Facts: the message definitions of the project's protocol.
import * as codes from './codes.ts'

export interface ApiText {
  readonly name: string
  /** Versions 0 to this one are known. */
  readonly maxVersion: number
  /** The highest version that clients are told of: above it, topics have ids instead of names. Absent: maxVersion. */
  readonly offeredVersion?: number
  /** First flexible version; absent: none. */
  readonly flexibleFrom?: number
  readonly request: string
  /** Absent: no client uses it, and a denial closes the connection. */
  readonly response?: string
  /** Array at the top of the request, and of its response: elements that are denied are taken out, the rest is served. */
  readonly cut?: string
  /** Error of what is not denied itself in a request that is not served as a whole. Absent: that of the denial. */
  readonly unserved?: number
  /**
   * Arrays of the response that show what the request did not name: denied elements are left out. `always`, or when
   * the array of this name in the request is null, or also when it is empty.
   */
  readonly filter?: { readonly array: string; readonly when: 'always' | 'null' | 'empty' }
}

const ERROR_MESSAGE = 'error:err message:str?'

export const API_TEXTS: Readonly<Record<number, ApiText>> = {
  0: {
    name: 'produce',
    maxVersion: 13,
    offeredVersion: 12,
    flexibleFrom: 9,
    request:
      'transactionalId:str?@3+#txn acks:i16 timeoutMs:i32 topics:[ name:str@0-12#topic topicId:uuid@13+#id partitions:[ index:i32 records:rec? ] ]',
    response:
      'topics:[ name:str@0-12 topicId:uuid@13+ partitions:[ index:i32 error:err baseOffset:i64=-1 logAppendTimeMs:i64@2+=-1 logStartOffset:i64@5+=-1 recordErrors:[ batchIndex:i32 message:str? ]@8+ errorMessage:str?@8+ ] ] throttleTimeMs:i32@1+',
    cut: 'topics',
    unserved: codes.NOT_LEADER_OR_FOLLOWER,
  },
  1: {
    name: 'fetch',
    maxVersion: 18,
    offeredVersion: 12,
    flexibleFrom: 12,
    request:
      'replicaId:i32@0-14 maxWaitMs:i32 minBytes:i32 maxBytes:i32@3+ isolationLevel:i8@4+ sessionId:i32@7+ sessionEpoch:i32@7+ topics:[ name:str@0-12#topic topicId:uuid@13+#id partitions:[ index:i32 currentLeaderEpoch:i32@9+ fetchOffset:i64 lastFetchedEpoch:i32@12+ logStartOffset:i64@5+ maxBytes:i32 ] ] forgotten:[ name:str@0-12 topicId:uuid@13+ partitions:[]i32 ]@7+ rackId:str@11+',
    response:
      'throttleTimeMs:i32@1+ error:err@7+ session:i32@7+ topics:[ name:str@0-12 topicId:uuid@13+ partitions:[ index:i32 error:err highWatermark:i64=-1 lastStableOffset:i64@4+=-1 logStart:i64@5+=-1 aborted:[ producerId:i64 firstOffset:i64 ]?@4+ preferredReadReplica:i32@11+=-1 records:rec? ] ]',
    cut: 'topics',
  },
  2: {
    name: 'offsets',
    maxVersion: 11,
    flexibleFrom: 6,
    request:
      'replicaId:i32 isolationLevel:i8@2+ topics:[ name:str#topic partitions:[ index:i32 currentLeaderEpoch:i32@4+ time:i64 maxNumOffsets:i32@0 ] ] timeoutMs:i32@10+',
    response:
      'throttleTimeMs:i32@2+ topics:[ name:str partitions:[ index:i32 error:err oldStyleOffsets:[]i64@0 timestamp:i64@1+=-1 offset:i64@1+=-1 leaderEpoch:i32@4+=-1 ] ]',
    cut: 'topics',
  },
  3: {
    name: 'metadata',
    maxVersion: 13,
    flexibleFrom: 9,
    request:
      'topics:[ topicId:uuid@10+#id name:str?10+#topic ]?1+ allowAutoTopicCreation:bool@4+ includeClusterOperations:bool@8-10 includeTopicOperations:bool@8+',
    response:
      'throttleTimeMs:i32@3+ brokers:[ nodeId:i32 host:str port:i32 rack:str?@1+ ] clusterId:str?@2+ controllerId:i32@1+=-1 topics:[ error:err name:str?12+#topic topicId:uuid@10+#id isInternal:bool@1+ partitions:[ error:err index:i32 leaderId:i32 leaderEpoch:i32@7+ replicas:[]i32 isr:[]i32 offline:[]i32@5+ ] topicOperations:i32@8+=-2147483648 ] clusterOperations:i32@8-10=-2147483648 error:err@13+',
    cut: 'topics',
    filter: { array: 'topics', when: 'null' },
  },
  8: {
    name: 'offsetcommit',
    maxVersion: 10,
    offeredVersion: 9,
    flexibleFrom: 8,
    request:
      'groupId:str#group generation:i32@1+ memberId:str@1+ groupInstanceId:str?@7+ retentionTimeMs:i64@2-4 topics:[ name:str@0-9#topic topicId:uuid@10+#id partitions:[ index:i32 offset:i64 leaderEpoch:i32@6+ commitTimestamp:i64@1 metadata:str? ] ]',
    response:
      'throttleTimeMs:i32@3+ topics:[ name:str@0-9 topicId:uuid@10+ partitions:[ index:i32 error:err ] ]',
    cut: 'topics',
  },
  9: {
    name: 'offsetfetch',
    maxVersion: 10,
    offeredVersion: 9,
    flexibleFrom: 6,
    request:
      'groupId:str@0-7#group topics:[ name:str#topic partitions:[]i32 ]?2-7@0-7 groups:[ groupId:str#group memberId:str?@9+ memberEpoch:i32@9+ topics:[ name:str@0-9#topic topicId:uuid@10+#id partitions:[]i32 ]? ]@8+ requireStable:bool@7+',
    response:
      'throttleTimeMs:i32@3+ topics:[ name:str#topic partitions:[ index:i32 offset:i64=-1 leaderEpoch:i32@5+=-1 metadata:str? error:err ] ]@0-7 error:err@2-7 groups:[ groupId:str#group topics:[ name:str@0-9#topic topicId:uuid@10+#id partitions:[ index:i32 offset:i64=-1 leaderEpoch:i32=-1 metadata:str? error:err ] ] error:err ]@8+',
    cut: 'topics groups',
    unserved: codes.UNSTABLE_OFFSET_COMMIT,
    filter: { array: 'topics', when: 'null' },
  },
  10: {
    name: 'findcoordinator',
    maxVersion: 6,
    flexibleFrom: 3,
    request: 'key:str@0-3#coordinator keyType:i8@1+#kind keys:[]str@4+#coordinator',
    response:
      'throttleTimeMs:i32@1+ error:err@0-3 message:str?@1-3 nodeId:i32@0-3=-1 host:str@0-3 port:i32@0-3=-1 keys:[ key:str nodeId:i32=-1 host:str port:i32=-1 error:err message:str? ]@4+',
    cut: 'keys',
  },
  11: {
    name: 'joingroup',
    maxVersion: 9,
    flexibleFrom: 6,
    request: 'groupId:str#group ~',
    response:
      'throttleTimeMs:i32@2+ error:err generation:i32=-1 protocolType:str?7+@7+ protocolName:str?7+ leader:str skipAssignment:bool@9+ member:str members:[ member:str instanceId:str?@5+ metadata:bytes ]',
  },
  12: {
    name: 'heartbeat',
    maxVersion: 4,
    flexibleFrom: 4,
    request: 'groupId:str#group ~',
    response: 'throttleTimeMs:i32@1+ error:err',
  },
  13: {
    name: 'leavegroup',
    maxVersion: 5,
    flexibleFrom: 4,
    request: 'groupId:str#group memberId:str@0-2 members:[ memberId:str instanceId:str? reason:str?@5+ ]@3+',
    response: 'throttleTimeMs:i32@1+ error:err members:[ memberId:str instanceId:str? error:err ]@3+',
  },
  14: {
    name: 'syncgroup',
    maxVersion: 5,
    flexibleFrom: 4,
    request: 'groupId:str#group ~',
    response: 'throttleTimeMs:i32@1+ error:err protocolType:str?@5+ protocolName:str?@5+ assignment:bytes',
  },
  15: {
    name: 'describegroups',
    maxVersion: 6,
    flexibleFrom: 5,
    request: 'groups:[]str#group includeOperations:bool@3+',
    response:
      'throttleTimeMs:i32@1+ groups:[ error:err message:str?@6+ groupId:str#group state:str protocolType:str protocolData:str members:[ memberId:str instanceId:str?@4+ clientId:str clientHost:str metadata:bytes assignment:bytes ] operations:i32@3+=-2147483648 ]',
    cut: 'groups',
  },
  16: {
    name: 'listgroups',
    maxVersion: 5,
    flexibleFrom: 3,
    request: 'states:[]str@4+ types:[]str@5+',
    response:
      'throttleTimeMs:i32@1+ error:err groups:[ groupId:str#group protocolType:str state:str@4+ type:str@5+ ]',
    filter: { array: 'groups', when: 'always' },
  },
  17: {
    name: 'saslhandshake',
    maxVersion: 1,
    request: 'mechanism:str#kind',
    response: 'error:err mechanisms:[]str',
  },
  18: {
    name: 'apiversions',
    maxVersion: 4,
    flexibleFrom: 3,
    request: 'software:str@3+ softwareVersion:str@3+',
    response: 'error:err apis:[ apiKey:i16 minVersion:i16 maxVersion:i16 ] throttleTimeMs:i32@1+',
  },
  19: {
    name: 'createtopics',
    maxVersion: 7,
    flexibleFrom: 5,
    request:
      'topics:[ name:str#topic numPartitions:i32 replicas:i16 assignments:[ partition:i32 brokers:[]i32 ] settings:[ key:str value:str? ] ] timeoutMs:i32 validateOnly:bool@1+',
    response:
      'throttleTimeMs:i32@2+ topics:[ name:str topicId:uuid@7+ error:err message:str?@1+ partitions:i32@5+=-1 replicationFactor:i16@5+=-1 configs:[ key:str value:str? readOnly:bool source:i8 isSensitive:bool ]?@5+ ]',
    cut: 'topics',
  },
  20: {
    name: 'deletetopics',
    maxVersion: 6,
    offeredVersion: 5,
    flexibleFrom: 4,
    request: 'topics:[]str@0-5#topic topics:[ name:str?#topic topicId:uuid#id ]@6+ timeoutMs:i32',
    response: 'throttleTimeMs:i32@1+ topics:[ name:str?6+#topic topicId:uuid@6+ error:err message:str?@5+ ]',
    cut: 'topics',
  },
  21: {
    name: 'deleterecords',
    maxVersion: 2,
    flexibleFrom: 2,
    request: 'topics:[ name:str#topic partitions:[ index:i32 offset:i64 ] ] timeoutMs:i32',
    response: 'throttleTimeMs:i32 topics:[ name:str partitions:[ index:i32 lowWatermark:i64=-1 error:err ] ]',
    cut: 'topics',
  },
  22: {
    name: 'initproducerid',
    maxVersion: 6,
    flexibleFrom: 2,
    request: 'transactionalId:str?#txn ~',
    response:
      'throttleTimeMs:i32 error:err producerId:i64=-1 producerEpoch:i16=-1 ongoingProducerId:i64@6+=-1 ongoingProducerEpoch:i16@6+=-1',
  },
  23: {
    name: 'offsetforleaderepoch',
    maxVersion: 4,
    flexibleFrom: 4,
    request:
      'replicaId:i32@3+ topics:[ name:str#topic partitions:[ index:i32 currentLeaderEpoch:i32@2+ epoch:i32 ] ]',
    response:
      'throttleTimeMs:i32@2+ topics:[ name:str partitions:[ error:err index:i32 leaderEpoch:i32@1+=-1 endOffset:i64=-1 ] ]',
    cut: 'topics',
  },
  24: {
    name: 'addpartitionstotxn',
    maxVersion: 5,
    flexibleFrom: 3,
    request:
      'transactions:[ transactionalId:str#txn producerId:i64 producerEpoch:i16 verifyOnly:bool topics:[ name:str#topic partitions:[]i32 ] ]@4+ transactionalId:str@0-3#txn producerId:i64@0-3 producerEpoch:i16@0-3 topics:[ name:str#topic partitions:[]i32 ]@0-3',
    response:
      'throttleTimeMs:i32 error:err@4+ transactions:[ transactionalId:str topics:[ name:str partitions:[ index:i32 error:err ] ] ]@4+ topics:[ name:str partitions:[ index:i32 error:err ] ]@0-3',
    unserved: codes.OPERATION_NOT_ATTEMPTED,
  },
  25: {
    name: 'addoffsetstotxn',
    maxVersion: 4,
    flexibleFrom: 3,
    request: 'transactionalId:str#txn producerId:i64 producerEpoch:i16 groupId:str#group',
    response: 'throttleTimeMs:i32 error:err',
  },
  26: {
    name: 'endtxn',
    maxVersion: 5,
    flexibleFrom: 3,
    request: 'transactionalId:str#txn ~',
    response: 'throttleTimeMs:i32 error:err producerId:i64@5+=-1 producerEpoch:i16@5+=-1',
  },
  27: {
    name: 'writetxnmarkers',
    maxVersion: 2,
    flexibleFrom: 1,
    request:
      'markers:[ producerId:i64 producerEpoch:i16 isCommit:bool topics:[ name:str#topic partitions:[]i32 ] coordinatorEpoch:i32 transactionVersion:i8@2+ ]',
    response: 'markers:[ producerId:i64 topics:[ name:str partitions:[ index:i32 error:err ] ] ]',
    unserved: codes.CLUSTER_AUTHORIZATION_FAILED,
  },
  28: {
    name: 'txnoffsetcommit',
    maxVersion: 5,
    flexibleFrom: 3,
    request:
      'transactionalId:str#txn groupId:str#group producerId:i64 producerEpoch:i16 generation:i32@3+ memberId:str@3+ groupInstanceId:str?@3+ topics:[ name:str#topic partitions:[ index:i32 offset:i64 leaderEpoch:i32@2+ metadata:str? ] ]',
    response: 'throttleTimeMs:i32 topics:[ name:str partitions:[ index:i32 error:err ] ]',
    cut: 'topics',
  },
  29: {
    name: 'describeacls',
    maxVersion: 3,
    flexibleFrom: 2,
    request:
      'resourceType:i8#kind resourceName:str?#resource patternType:i8@1+#kind principal:str? host:str? operation:i8 permission:i8',
    response: `throttleTimeMs:i32 ${ERROR_MESSAGE} resources:[ type:i8 name:str pattern:i8@1+=3 acls:[ principal:str host:str operation:i8 permission:i8 ] ]`,
  },
  30: {
    name: 'createacls',
    maxVersion: 3,
    flexibleFrom: 2,
    request:
      'creations:[ resourceType:i8#kind resourceName:str#resource patternType:i8@1+#kind principal:str host:str operation:i8 permission:i8 ]',
    response: `throttleTimeMs:i32 creations:[ ${ERROR_MESSAGE} ]`,
    unserved: codes.CLUSTER_AUTHORIZATION_FAILED,
  },
  31: {
    name: 'deleteacls',
    maxVersion: 3,
    flexibleFrom: 2,
    request:
      'filters:[ resourceType:i8#kind resourceName:str?#resource patternType:i8@1+#kind principal:str? host:str? operation:i8 permission:i8 ]',
    response: `throttleTimeMs:i32 filters:[ ${ERROR_MESSAGE} matching:[ ${ERROR_MESSAGE} type:i8 name:str pattern:i8@1+=3 principal:str host:str operation:i8 permission:i8 ] ]`,
    unserved: codes.CLUSTER_AUTHORIZATION_FAILED,
  },
  32: {
    name: 'describeconfigs',
    maxVersion: 4,
    flexibleFrom: 4,
    request:
      'resources:[ resourceType:i8#kind resourceName:str#resource keys:[]str? ] includeSynonyms:bool@1+ includeDocumentation:bool@3+',
    response: `throttleTimeMs:i32 resources:[ ${ERROR_MESSAGE} resourceType:i8 resourceName:str settings:[ name:str value:str? readOnly:bool isDefault:bool@0 source:i8@1+=-1 isSensitive:bool synonyms:[ name:str value:str? source:i8 ]@1+ type:i8@3+ documentation:str?@3+ ] ]`,
    cut: 'resources',
  },
  33: {
    name: 'alterconfigs',
    maxVersion: 2,
    flexibleFrom: 2,
    request:
      'resources:[ resourceType:i8#kind resourceName:str#resource settings:[ key:str value:str? ] ] validateOnly:bool',
    response: `throttleTimeMs:i32 resources:[ ${ERROR_MESSAGE} resourceType:i8 resourceName:str ]`,
    cut: 'resources',
  },
  34: {
    name: 'alterreplicalogdirs',
    maxVersion: 2,
    flexibleFrom: 2,
    request: 'dirs:[ path:str topics:[ name:str#topic partitions:[]i32 ] ]',
    response: 'throttleTimeMs:i32 results:[ name:str partitions:[ index:i32 error:err ] ]',
  },
  35: {
    name: 'describelogdirs',
    maxVersion: 5,
    flexibleFrom: 2,
    request: 'topics:[ name:str#topic partitions:[]i32 ]?',
    response:
      'throttleTimeMs:i32 error:err@3+ results:[ error:err dir:str topics:[ name:str#topic partitions:[ index:i32 size:i64 lag:i64 isFuture:bool ] ] totalBytes:i64@4+ usableBytes:i64@4+ isCordoned:bool@5+ ]',
    filter: { array: 'topics', when: 'null' },
  },
  36: {
    name: 'saslauthenticate',
    maxVersion: 2,
    flexibleFrom: 2,
    request: 'token:bytes',
    response: `${ERROR_MESSAGE} bytes:bytes sessionLifetimeMs:i64@1+`,
  },
  37: {
    name: 'createpartitions',
    maxVersion: 3,
    flexibleFrom: 2,
    request:
      'topics:[ name:str#topic count:i32 assignments:[ brokers:[]i32 ]? ] timeoutMs:i32 validateOnly:bool',
    response: `throttleTimeMs:i32 topics:[ name:str ${ERROR_MESSAGE} ]`,
    cut: 'topics',
  },
  38: {
    name: 'createdelegationtoken',
    maxVersion: 3,
    flexibleFrom: 2,
    request: '~',
    response:
      'error:err principalType:str principalName:str requesterType:str@3+ requesterName:str@3+ issued:i64 expires:i64 ends:i64 tokenId:str hmac:bytes throttleTimeMs:i32',
  },
  39: {
    name: 'renewdelegationtoken',
    maxVersion: 2,
    flexibleFrom: 2,
    request: '~',
    response: 'error:err expires:i64 throttleTimeMs:i32',
  },
  40: {
    name: 'expiredelegationtoken',
    maxVersion: 2,
    flexibleFrom: 2,
    request: '~',
    response: 'error:err expires:i64 throttleTimeMs:i32',
  },
  41: {
    name: 'describedelegationtoken',
    maxVersion: 3,
    flexibleFrom: 2,
    request: '~',
    response:
      'error:err tokens:[ principalType:str principalName:str requesterType:str@3+ requesterName:str@3+ issued:i64 expires:i64 ends:i64 tokenId:str hmac:bytes renewers:[ principalType:str principalName:str ] ] throttleTimeMs:i32',
  },
  42: {
    name: 'deletegroups',
    maxVersion: 2,
    flexibleFrom: 2,
    request: 'groups:[]str#group',
    response: 'throttleTimeMs:i32 groups:[ groupId:str#group error:err ]',
    cut: 'groups',
  },
  43: {
    name: 'electleaders',
    maxVersion: 2,
    flexibleFrom: 2,
    request: 'electionType:i8@1+ topics:[ name:str#topic partitions:[]i32 ]?#all timeoutMs:i32',
    response:
      'throttleTimeMs:i32 error:err@1+ topics:[ name:str partitions:[ index:i32 error:err message:str? ] ]',
  },
  44: {
    name: 'incrementalalterconfigs',
    maxVersion: 1,
    flexibleFrom: 1,
    request:
      'resources:[ resourceType:i8#kind resourceName:str#resource settings:[ key:str operation:i8 value:str? ] ] validateOnly:bool',
    response: `throttleTimeMs:i32 resources:[ ${ERROR_MESSAGE} resourceType:i8 resourceName:str ]`,
    cut: 'resources',
  },
  45: {
    name: 'alterpartitionreassignments',
    maxVersion: 1,
    flexibleFrom: 0,
    request:
      'timeoutMs:i32 allowReplicationFactorChange:bool@1+ topics:[ name:str#topic partitions:[ index:i32 replicas:[]i32? ] ]',
    response: `throttleTimeMs:i32 allowReplicationFactorChange:bool@1+ ${ERROR_MESSAGE} topics:[ name:str partitions:[ index:i32 ${ERROR_MESSAGE} ] ]`,
    cut: 'topics',
  },
  46: {
    name: 'listpartitionreassignments',
    maxVersion: 0,
    flexibleFrom: 0,
    request: 'timeoutMs:i32 topics:[ name:str#topic indexes:[]i32 ]?',
    response: `throttleTimeMs:i32 ${ERROR_MESSAGE} topics:[ name:str#topic partitions:[ index:i32 replicas:[]i32 adding:[]i32 removing:[]i32 ] ]`,
    filter: { array: 'topics', when: 'null' },
  },
  47: {
    name: 'offsetdelete',
    maxVersion: 0,
    request: 'groupId:str#group topics:[ name:str#topic partitions:[ index:i32 ] ]',
    response: 'error:err throttleTimeMs:i32 topics:[ name:str partitions:[ index:i32 error:err ] ]',
    cut: 'topics',
  },
  48: {
    name: 'describeclientquotas',
    maxVersion: 1,
    flexibleFrom: 1,
    request: '~',
    response: `throttleTimeMs:i32 ${ERROR_MESSAGE} entries:[ entity:[ type:str name:str? ] values:[ key:str value:f64 ] ]?`,
  },
  49: {
    name: 'alterclientquotas',
    maxVersion: 1,
    flexibleFrom: 1,
    request:
      'entries:[ entity:[ entityType:str entityName:str? ] ops:[ key:str value:f64 remove:bool ] ] validateOnly:bool',
    response: `throttleTimeMs:i32 entries:[ ${ERROR_MESSAGE} entity:[ entityType:str entityName:str? ] ]`,
  },
  50: {
    name: 'describeuserscramcredentials',
    maxVersion: 0,
    flexibleFrom: 0,
    request: '~',
    response: `throttleTimeMs:i32 ${ERROR_MESSAGE} results:[ user:str ${ERROR_MESSAGE} credentials:[ mechanism:i8 iterations:i32 ] ]`,
  },
  51: {
    name: 'alteruserscramcredentials',
    maxVersion: 0,
    flexibleFrom: 0,
    request: '~',
    response: `throttleTimeMs:i32 results:[ user:str ${ERROR_MESSAGE} ]`,
  },
  52: {
    name: 'vote',
    maxVersion: 2,
    flexibleFrom: 0,
    request:
      'clusterId:str? voterId:i32@1+ topics:[ name:str#topic partitions:[ index:i32 replicaEpoch:i32 replicaId:i32 replicaDirectoryId:uuid@1+ voterDirectoryId:uuid@1+ lastOffsetEpoch:i32 lastOffset:i64 preVote:bool@2+ ] ]',
  },
  53: {
    name: 'beginquorumepoch',
    maxVersion: 1,
    flexibleFrom: 1,
    request:
      'clusterId:str? voterId:i32@1+ topics:[ name:str#topic partitions:[ index:i32 voterDirectoryId:uuid@1+ leaderId:i32 leaderEpoch:i32 ] ] ~',
  },
  54: {
    name: 'endquorumepoch',
    maxVersion: 1,
    flexibleFrom: 1,
    request:
      'clusterId:str? topics:[ name:str#topic partitions:[ index:i32 leaderId:i32 leaderEpoch:i32 successors:[]i32@0 candidates:[ id:i32 directoryId:uuid ]@1+ ] ] ~',
  },
  55: {
    name: 'describequorum',
    maxVersion: 2,
    flexibleFrom: 0,
    request: 'topics:[ name:str#topic partitions:[ index:i32 ] ]',
    response:
      'error:err message:str?@2+ topics:[ name:str partitions:[ index:i32 error:err message:str?@2+ leaderId:i32=-1 leaderEpoch:i32=-1 highWatermark:i64=-1 voters:[ replicaId:i32 directoryId:uuid@2+ endOffset:i64 lastFetch:i64@1+ lastCaughtUp:i64@1+ ] observers:[ replicaId:i32 directoryId:uuid@2+ endOffset:i64 lastFetch:i64@1+ lastCaughtUp:i64@1+ ] ] ] nodes:[ nodeId:i32 listeners:[ name:str host:str port:u16 ] ]@2+',
  },
  56: {
    name: 'alterpartition',
    maxVersion: 3,
    flexibleFrom: 0,
    request:
      'brokerId:i32 brokerEpoch:i64 topics:[ name:str@0-1#topic topicId:uuid@2+#id partitions:[ index:i32 leaderEpoch:i32 isr:[]i32@0-2 isrWithEpochs:[ brokerId:i32 brokerEpoch:i64 ]@3+ recovery:i8@1+ partitionEpoch:i32 ] ]',
  },
  57: {
    name: 'updatefeatures',
    maxVersion: 2,
    flexibleFrom: 0,
    request: '~',
    response: `throttleTimeMs:i32 ${ERROR_MESSAGE} results:[ feature:str ${ERROR_MESSAGE} ]@0-1`,
  },
  59: {
    name: 'fetchsnapshot',
    maxVersion: 1,
    flexibleFrom: 0,
    request:
      'replicaId:i32 maxBytes:i32 topics:[ name:str#topic partitions:[ index:i32 currentLeaderEpoch:i32 snapshotId:( endOffset:i64 epoch:i32 ) position:i64 ] ]',
  },
  60: {
    name: 'describecluster',
    maxVersion: 2,
    flexibleFrom: 0,
    request: 'includeOperations:bool endpointType:i8@1+ includeFenced:bool@2+',
    response: `throttleTimeMs:i32 ${ERROR_MESSAGE} endpointType:i8@1+=1 clusterId:str controllerId:i32=-1 brokers:[ brokerId:i32 host:str port:i32 rack:str? isFenced:bool@2+ ] clusterOperations:i32=-2147483648`,
  },
  61: {
    name: 'describeproducers',
    maxVersion: 0,
    flexibleFrom: 0,
    request: 'topics:[ name:str#topic partitions:[]i32 ]',
    response: `throttleTimeMs:i32 topics:[ name:str partitions:[ index:i32 ${ERROR_MESSAGE} producers:[ producerId:i64 epoch:i32 lastSequence:i32 lastTimestamp:i64 coordinatorEpoch:i32 startOffset:i64 ] ] ]`,
    cut: 'topics',
  },
  62: { name: 'brokerregistration', maxVersion: 4, flexibleFrom: 0, request: '~' },
  63: { name: 'brokerheartbeat', maxVersion: 2, flexibleFrom: 0, request: '~' },
  64: {
    name: 'unregisterbroker',
    maxVersion: 0,
    flexibleFrom: 0,
    request: '~',
    response: `throttleTimeMs:i32 ${ERROR_MESSAGE}`,
  },
  65: {
    name: 'describetransactions',
    maxVersion: 0,
    flexibleFrom: 0,
    request: 'transactions:[]str#txn',
    response:
      'throttleTimeMs:i32 transactions:[ error:err transactionalId:str#txn state:str timeoutMs:i32 startTimeMs:i64 producerId:i64=-1 producerEpoch:i16=-1 topics:[ name:str#topic partitions:[]i32 ] ]',
    cut: 'transactions',
    filter: { array: 'topics', when: 'always' },
  },
  66: {
    name: 'listtransactions',
    maxVersion: 2,
    flexibleFrom: 0,
    request: 'states:[]str producerIds:[]i64 duration:i64@1+ pattern:str?@2+',
    response:
      'throttleTimeMs:i32 error:err unknownStates:[]str transactions:[ transactionalId:str#txn producerId:i64 state:str ]',
    filter: { array: 'transactions', when: 'always' },
  },
  67: { name: 'allocateproducerids', maxVersion: 0, flexibleFrom: 0, request: '~' },
  68: {
    name: 'consumergroupheartbeat',
    maxVersion: 1,
    flexibleFrom: 0,
    // The partitions that a member owns are what the coordinator gave it.
    request:
      'groupId:str#group memberId:str memberEpoch:i32 instanceId:str? rackId:str? rebalanceTimeoutMs:i32 topics:[]str?#topic regex:str?@1+#regex ~',
    response: `throttleTimeMs:i32 ${ERROR_MESSAGE} member:str? epoch:i32 heartbeatIntervalMs:i32 assignment:( topics:[ topicId:uuid partitions:[]i32 ] )?`,
  },
  69: {
    name: 'consumergroupdescribe',
    maxVersion: 1,
    flexibleFrom: 0,
    request: 'groups:[]str#group includeOperations:bool',
    response: `throttleTimeMs:i32 groups:[ ${ERROR_MESSAGE} groupId:str#group state:str epoch:i32 assignmentEpoch:i32 assignor:str members:[ ] operations:i32=-2147483648 ]`,
    cut: 'groups',
  },
  70: { name: 'controllerregistration', maxVersion: 0, flexibleFrom: 0, request: '~' },
  71: {
    name: 'gettelemetrysubscriptions',
    maxVersion: 0,
    flexibleFrom: 0,
    request: 'clientInstanceId:uuid',
    response:
      'throttleTimeMs:i32 error:err instance:uuid subscriptionId:i32 compressionTypes:[]i8 pushIntervalMs:i32 telemetryMaxBytes:i32 deltaTemporality:bool metrics:[]str',
  },
  72: {
    name: 'pushtelemetry',
    maxVersion: 0,
    flexibleFrom: 0,
    request: '~',
    response: 'throttleTimeMs:i32 error:err',
  },
  73: {
    name: 'assignreplicastodirs',
    maxVersion: 0,
    flexibleFrom: 0,
    request:
      'brokerId:i32 brokerEpoch:i64 dirs:[ id:uuid topics:[ topicId:uuid#id partitions:[ index:i32 ] ] ]',
  },
  74: {
    name: 'listconfigresources',
    maxVersion: 1,
    flexibleFrom: 0,
    request: 'types:[]i8@1+',
    response:
      'throttleTimeMs:i32 error:err resources:[ resourceName:str#resource resourceType:i8@1+=16#kind ]',
    filter: { array: 'resources', when: 'always' },
  },
  75: {
    name: 'describetopicpartitions',
    maxVersion: 0,
    flexibleFrom: 0,
    request: 'topics:[ name:str#topic ] partitionLimit:i32 cursor:( name:str#topic index:i32 )?',
    response:
      'throttleTimeMs:i32 topics:[ error:err name:str?#topic topicId:uuid#id isInternal:bool partitions:[ error:err index:i32 leaderId:i32 leaderEpoch:i32 replicas:[]i32 isr:[]i32 eligible:[]i32? lastKnown:[]i32? offline:[]i32 ] topicOperations:i32=-2147483648 ] next:( name:str index:i32 )?',
    filter: { array: 'topics', when: 'empty' },
  },
  76: {
    name: 'sharegroupheartbeat',
    maxVersion: 1,
    flexibleFrom: 0,
    request: 'groupId:str#group memberId:str memberEpoch:i32 rackId:str? topics:[]str?#topic',
    response: `throttleTimeMs:i32 ${ERROR_MESSAGE} member:str? epoch:i32 heartbeatIntervalMs:i32 assignment:( topics:[ topicId:uuid partitions:[]i32 ] )?`,
  },
  77: {
    name: 'sharegroupdescribe',
    maxVersion: 1,
    flexibleFrom: 0,
    request: 'groups:[]str#group includeOperations:bool',
    response: `throttleTimeMs:i32 groups:[ ${ERROR_MESSAGE} groupId:str#group state:str epoch:i32 assignmentEpoch:i32 assignor:str members:[ ] operations:i32=-2147483648 ]`,
    cut: 'groups',
  },
  78: {
    name: 'sharefetch',
    maxVersion: 2,
    flexibleFrom: 0,
    request:
      'groupId:str?#group memberId:str? shareSessionEpoch:i32 maxWaitMs:i32 minBytes:i32 maxBytes:i32 maxRecords:i32@1+ batchSize:i32@1+ acquireMode:i8@2+ isRenewAck:bool@2+ topics:[ topicId:uuid#id partitions:[ index:i32 maxBytes:i32@0 batches:[ first:i64 last:i64 types:[]i8 ] ] ] forgotten:[ topicId:uuid#kind partitions:[]i32 ]',
    response: `throttleTimeMs:i32 ${ERROR_MESSAGE} lockTimeoutMs:i32@1+ topics:[ topicId:uuid partitions:[ index:i32 ${ERROR_MESSAGE} acknowledgeError:i16 acknowledgeMessage:str? leader:( id:i32=-1 epoch:i32=-1 ) records:rec? acquired:[ first:i64 last:i64 count:i16 ] ] ] nodes:[ nodeId:i32 host:str port:i32 rack:str? ]`,
    cut: 'topics',
  },
  79: {
    name: 'shareacknowledge',
    maxVersion: 2,
    flexibleFrom: 0,
    request:
      'groupId:str?#group memberId:str? shareSessionEpoch:i32 isRenewAck:bool@2+ topics:[ topicId:uuid#id partitions:[ index:i32 batches:[ first:i64 last:i64 types:[]i8 ] ] ]',
    response: `throttleTimeMs:i32 ${ERROR_MESSAGE} lockTimeoutMs:i32@2+ topics:[ topicId:uuid partitions:[ index:i32 ${ERROR_MESSAGE} leader:( id:i32=-1 epoch:i32=-1 ) ] ] nodes:[ nodeId:i32 host:str port:i32 rack:str? ]`,
    cut: 'topics',
  },
  80: {
    name: 'addraftvoter',
    maxVersion: 1,
    flexibleFrom: 0,
    request: '~',
    response: `throttleTimeMs:i32 ${ERROR_MESSAGE}`,
  },
  81: {
    name: 'removeraftvoter',
    maxVersion: 0,
    flexibleFrom: 0,
    request: '~',
    response: `throttleTimeMs:i32 ${ERROR_MESSAGE}`,
  },
  82: { name: 'updateraftvoter', maxVersion: 0, flexibleFrom: 0, request: '~' },
  83: {
    name: 'initializesharegroupstate',
    maxVersion: 0,
    flexibleFrom: 0,
    request:
      'groupId:str#group topics:[ topicId:uuid#id partitions:[ index:i32 stateEpoch:i32 startOffset:i64 ] ]',
  },
  84: {
    name: 'readsharegroupstate',
    maxVersion: 0,
    flexibleFrom: 0,
    request: 'groupId:str#group topics:[ topicId:uuid#id partitions:[ index:i32 leaderEpoch:i32 ] ]',
  },
  85: {
    name: 'writesharegroupstate',
    maxVersion: 1,
    flexibleFrom: 0,
    request:
      'groupId:str#group topics:[ topicId:uuid#id partitions:[ index:i32 stateEpoch:i32 leaderEpoch:i32 startOffset:i64 completeCount:i32@1+ batches:[ first:i64 last:i64 state:i8 count:i16 ] ] ]',
  },
  86: {
    name: 'deletesharegroupstate',
    maxVersion: 0,
    flexibleFrom: 0,
    request: 'groupId:str#group topics:[ topicId:uuid#id partitions:[ index:i32 ] ]',
  },
  87: {
    name: 'readsharegroupstatesummary',
    maxVersion: 1,
    flexibleFrom: 0,
    request: 'groupId:str#group topics:[ topicId:uuid#id partitions:[ index:i32 leaderEpoch:i32 ] ]',
  },
  88: {
    name: 'streamsgroupheartbeat',
    maxVersion: 0,
    flexibleFrom: 0,
    request:
      'groupId:str#group memberId:str memberEpoch:i32 endpointEpoch:i32 instanceId:str? rackId:str? rebalanceTimeoutMs:i32 topology:( epoch:i32 subtopologies:[ id:str sources:[]str#topic sourceRegexes:[]str#regex changelogs:[ name:str#topic count:i32 factor:i16 configs:[ key:str value:str ] ] sinks:[]str#topic repartitions:[ name:str#topic count:i32 factor:i16 configs:[ key:str value:str ] ] copartitions:[ sources:[]i16 regexes:[]i16 repartitions:[]i16 ] ] )? ~',
    response: `throttleTimeMs:i32 ${ERROR_MESSAGE} member:str epoch:i32 heartbeatIntervalMs:i32 recoveryLag:i32 offsetIntervalMs:i32 status:[ code:i8 detail:str ]? active:[ id:str partitions:[]i32 ]? standby:[ id:str partitions:[]i32 ]? warmup:[ id:str partitions:[]i32 ]? endpointEpoch:i32 endpoints:[ ]?`,
  },
  89: {
    name: 'streamsgroupdescribe',
    maxVersion: 0,
    flexibleFrom: 0,
    request: 'groups:[]str#group includeOperations:bool',
    response: `throttleTimeMs:i32 groups:[ ${ERROR_MESSAGE} groupId:str#group state:str epoch:i32 assignmentEpoch:i32 topology:( none:i32 )? members:[ ] operations:i32=-2147483648 ]`,
    cut: 'groups',
  },
  90: {
    name: 'describesharegroupoffsets',
    maxVersion: 1,
    flexibleFrom: 0,
    request: 'groups:[ groupId:str#group topics:[ name:str#topic partitions:[]i32 ]? ]',
    response: `throttleTimeMs:i32 groups:[ groupId:str#group topics:[ name:str#topic topicId:uuid partitions:[ index:i32 startOffset:i64=-1 leaderEpoch:i32 lag:i64@1+=-1 ${ERROR_MESSAGE} ] ] ${ERROR_MESSAGE} ]`,
    cut: 'groups',
    filter: { array: 'topics', when: 'null' },
  },
  91: {
    name: 'altersharegroupoffsets',
    maxVersion: 0,
    flexibleFrom: 0,
    request: 'groupId:str#group topics:[ name:str#topic partitions:[ index:i32 startOffset:i64 ] ]',
    response: `throttleTimeMs:i32 ${ERROR_MESSAGE} topics:[ name:str topicId:uuid partitions:[ index:i32 ${ERROR_MESSAGE} ] ]`,
    cut: 'topics',
  },
  92: {
    name: 'deletesharegroupoffsets',
    maxVersion: 0,
    flexibleFrom: 0,
    request: 'groupId:str#group topics:[ name:str#topic ]',
    response: `throttleTimeMs:i32 ${ERROR_MESSAGE} topics:[ name:str topicId:uuid ${ERROR_MESSAGE} ]`,
    cut: 'topics',
  },
}
