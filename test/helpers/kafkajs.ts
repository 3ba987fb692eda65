// kafkajs in this process, with its sockets in a pod.
import { isIP } from 'node:net'
import { Kafka, type KafkaConfig, logLevel } from 'kafkajs'
import { type KafkaBroker } from './kafka-broker.ts'
import { type Namespace } from './namespace.ts'
import { dial } from './tcp.ts'

/** kafkajs does not understand `[ADDRESS]:PORT`: the socket factory knows what this stands for. */
const BOOTSTRAP = 'bootstrap'

/** Does not try again after errors that allow it, unless `options` say so. */
export function kafkaJs(from: Namespace, server: string, options: Partial<KafkaConfig> = {}): Kafka {
  const [, address = '', port = ''] = /^\[?(.+?)\]?:(\d+)$/.exec(server) ?? []
  if (isIP(address) === 0) throw new Error(`${server} is not ADDRESS:PORT`)
  return new Kafka({
    clientId: 'kafkajs',
    brokers: [`${BOOTSTRAP}:${port}`],
    logLevel: logLevel.NOTHING,
    retry: { retries: 0 },
    connectionTimeout: 20_000,
    socketFactory: ({ host, port, onConnect }) => {
      const to = { host: host === BOOTSTRAP ? address : host, port }
      const socket = dial(from, to, { allowHalfOpen: false })
      socket.once('connect', onConnect)
      return socket
    },
    ...options,
  })
}

/** From the broker's own pod: nothing stands between. */
export async function createTopics(
  { pod, servers }: KafkaBroker,
  topics: Readonly<Record<string, number>>,
): Promise<void> {
  const admin = kafkaJs(pod, servers[0], { retry: { retries: 5 } }).admin()
  await admin.connect()
  await admin.createTopics({
    waitForLeaders: true,
    topics: Object.entries(topics).map(([topic, numPartitions]) => ({ topic, numPartitions })),
  })
  await admin.disconnect()
}

/** From the broker's own pod, too. Groups that do not exist are no error. */
export async function deleteTopics(
  { pod, servers }: KafkaBroker,
  topics: readonly string[],
  groups: readonly string[] = [],
): Promise<void> {
  const admin = kafkaJs(pod, servers[0], { retry: { retries: 5 } }).admin()
  await admin.connect()
  await admin.deleteTopics({ topics: [...topics] })
  await admin.deleteGroups([...groups]).catch(() => undefined)
  await admin.disconnect()
}

/** Messages that ever came into a topic. */
export async function messagesIn({ pod, servers }: KafkaBroker, topic: string): Promise<number> {
  const admin = kafkaJs(pod, servers[0], { retry: { retries: 5 } }).admin()
  await admin.connect()
  const offsets = await admin.fetchTopicOffsets(topic)
  await admin.disconnect()
  return offsets.reduce((total, { high }) => total + Number(high), 0)
}
