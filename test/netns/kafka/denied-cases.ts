// What clients may not do under RIGHTS, and what each of them says then: the same before Weir as before a broker that
// authorises by itself.
import { type Grant } from '../../helpers/kafka-acls.ts'
import { type KafkaTool } from '../../helpers/kafka-tools.ts'
import { type KafkaRule } from '../../helpers/network-policy.ts'

/** Produce to `empire`, in the transaction `tx` if any; consume `plans` as `crew`. Nothing on `secret`. */
export const RULES: readonly KafkaRule[] = [
  { role: 'produce', topic: 'empire', transactionalID: 'tx' },
  { role: 'consume', topic: 'plans', group: 'crew' },
]

/** The same for a broker. */
export const GRANTS: readonly Grant[] = [
  { kind: 'TOPIC', name: 'empire', operations: ['WRITE', 'DESCRIBE'] },
  { kind: 'TRANSACTIONAL_ID', name: 'tx', operations: ['WRITE', 'DESCRIBE'] },
  { kind: 'TOPIC', name: 'plans', operations: ['READ', 'DESCRIBE'] },
  { kind: 'GROUP', name: 'crew', operations: ['READ', 'DESCRIBE'] },
]

export const TOPICS = { empire: 2, plans: 1, secret: 1 } as const

export interface DeniedCase {
  readonly title: string
  readonly tool: 'kcat' | KafkaTool
  /** After those that name the server. */
  readonly args: readonly string[]
  /** On standard output or error. */
  readonly says: RegExp
}

const NEW_PROTOCOL = ['--command-property', 'group.protocol=consumer']
const ONE_RECORD = ['--num-records', '1', '--record-size', '10', '--throughput', '1']
const LIBRDKAFKA_TOPIC = /Broker: Topic authorization failed/
const JAVA_TOPIC = /TopicAuthorizationException: Not authorized to access topics: \[secret\]/
const JAVA_GROUP = /GroupAuthorizationException: Not authorized to access group: other/

export const DENIED_CASES: readonly DeniedCase[] = [
  {
    title: 'kcat produces to another topic',
    tool: 'kcat',
    args: ['-P', '-t', 'secret'],
    says: LIBRDKAFKA_TOPIC,
  },
  {
    title: 'kcat produces to it in a transaction that is allowed',
    tool: 'kcat',
    args: ['-P', '-X', 'transactional.id=tx', '-t', 'secret'],
    says: LIBRDKAFKA_TOPIC,
  },
  {
    title: 'kcat uses another transactional id',
    tool: 'kcat',
    args: ['-P', '-X', 'transactional.id=other', '-t', 'empire'],
    says: /Transactional Id authorization failed/,
  },
  {
    title: 'kcat consumes another topic',
    tool: 'kcat',
    args: ['-C', '-e', '-t', 'secret'],
    says: /Topic secret error: Broker: Topic authorization failed/,
  },
  {
    title: 'kcat consumes a topic that it may only produce to',
    tool: 'kcat',
    args: ['-C', '-e', '-t', 'empire'],
    says: /Topic empire \[\d\] error: .*Broker: Topic authorization failed/,
  },
  {
    title: 'kcat subscribes to another topic',
    tool: 'kcat',
    args: ['-G', 'crew', '-e', 'secret'],
    says: LIBRDKAFKA_TOPIC,
  },
  {
    title: 'kcat joins another group',
    tool: 'kcat',
    args: ['-G', 'other', '-e', 'plans'],
    says: /Group authorization failed/,
  },
  {
    title: 'kcat asks for another topic',
    tool: 'kcat',
    args: ['-L', '-t', 'secret'],
    says: /topic "secret" with 0 partitions: Broker: Topic authorization failed/,
  },
  {
    title: 'the console producer produces to another topic',
    tool: 'console-producer',
    args: ['--topic', 'secret'],
    says: JAVA_TOPIC,
  },
  {
    title: 'a producer that waits for no answer does',
    tool: 'producer-perf',
    args: ['--topic', 'secret', '--command-property', 'acks=0', ...ONE_RECORD],
    says: JAVA_TOPIC,
  },
  {
    title: 'a producer uses another transactional id',
    tool: 'producer-perf',
    args: ['--topic', 'empire', '--transactional-id', 'other', ...ONE_RECORD],
    says: /TransactionalIdAuthorizationException: Transactional Id authorization failed/,
  },
  {
    title: 'the console consumer consumes another topic',
    tool: 'console-consumer',
    args: ['--topic', 'secret', '--group', 'crew'],
    says: JAVA_TOPIC,
  },
  {
    title: 'the console consumer does so by the new group protocol',
    tool: 'console-consumer',
    args: ['--topic', 'secret', '--group', 'crew', ...NEW_PROTOCOL],
    says: /TopicAuthorizationException: /,
  },
  {
    title: 'the console consumer joins another group',
    tool: 'console-consumer',
    args: ['--topic', 'plans', '--group', 'other'],
    says: JAVA_GROUP,
  },
  {
    title: 'the console consumer joins it by the new group protocol',
    tool: 'console-consumer',
    args: ['--topic', 'plans', '--group', 'other', ...NEW_PROTOCOL],
    says: JAVA_GROUP,
  },
  {
    title: 'a share consumer consumes another topic',
    tool: 'console-share-consumer',
    args: ['--topic', 'secret', '--group', 'crew', '--timeout-ms', '3000'],
    says: /TOPIC_AUTHORIZATION_FAILED/,
  },
  {
    title: 'somebody creates a topic',
    tool: 'topics',
    args: ['--create', '--topic', 'new'],
    says: /TopicAuthorizationException: /,
  },
  {
    title: 'somebody deletes a topic',
    tool: 'topics',
    args: ['--delete', '--topic', 'plans'],
    says: /TopicAuthorizationException: /,
  },
  {
    title: 'somebody looks at another group',
    tool: 'consumer-groups',
    args: ['--describe', '--group', 'other'],
    says: /GroupAuthorizationException/,
  },
]
