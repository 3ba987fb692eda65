// What is allowed works as it does without Weir, for every kind of client: kcat, kafkajs, and those of Kafka itself.
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import t, { type Test } from 'tap'
import { startCluster } from '../../helpers/cluster.ts'
import { canRunKafka, KAFKA_PORT, startKafka } from '../../helpers/kafka-broker.ts'
import { type KafkaTool, kafkaTool, type ToolResult } from '../../helpers/kafka-tools.ts'
import { createTopics, kafkaJs, messagesIn } from '../../helpers/kafkajs.ts'
import { kcat } from '../../helpers/kcat.ts'
import { fromPods, networkPolicy, onKafka } from '../../helpers/network-policy.ts'
import { type Pod } from '../../helpers/node-namespace.ts'
import { canRunPrivileged } from '../../helpers/privileges.ts'

const GROUPS = ['kcat', 'kafkajs', 'console', 'console-new', 'share', 'copier'] as const
const INTO = 'in'
const OUT = 'out'

if (canRunPrivileged(t) && canRunKafka(t)) {
  t.setTimeout(280_000)
  t.test('allowed', async (t) => {
    const { pods, node } = await startCluster(t, {
      pods: ['client', 'admin', 'server'],
      policies: {
        'server.yaml': networkPolicy('server', {
          ingress: [
            {
              ...fromPods('client'),
              ...onKafka(
                KAFKA_PORT,
                { role: 'produce', topic: INTO, transactionalID: 'tx' },
                { role: 'produce', topic: OUT, transactionalID: 'tx' },
                ...GROUPS.map((group) => ({ role: 'consume' as const, topic: INTO, group })),
              ),
            },
            { ...fromPods('admin'), ...onKafka(KAFKA_PORT, {}) },
          ],
        }),
      },
    })
    const { client, admin, server } = pods
    const broker = await startKafka(server, { directory: join(node.workDir, 'kafka') })
    await createTopics(broker, { [INTO]: 2, [OUT]: 1 })
    const [v4, v6] = broker.servers

    const tool = async (
      t: Test,
      from: Pod,
      address: string,
      name: KafkaTool,
      args: readonly string[],
      input = '',
    ): Promise<ToolResult> => {
      const option = name === 'transactional-message-copier' ? '--broker-list' : '--bootstrap-server'
      const result = await kafkaTool(from, name, [option, address, ...args], { input })
      t.equal(result.code, 0, `${name} ${args.join(' ')}\n${result.out}${result.stderr}`)
      t.notMatch(result.stderr, /ERROR|Exception/, name)
      return result
    }

    t.test('kcat', async (t) => {
      for (const address of broker.servers) {
        const produced = await kcat(client, address, ['-P', '-t', INTO, '-p', '0'], { input: 'one\ntwo\n' })
        t.match(produced, { code: 0, stderr: '' })
        const consumed = await kcat(client, address, [
          '-C',
          '-q',
          '-t',
          INTO,
          '-p',
          '0',
          '-o',
          '-2',
          '-c',
          '2',
        ])
        t.match(consumed, { code: 0, out: 'one\ntwo\n', stderr: '' })
        const idempotent = ['-P', '-X', 'enable.idempotence=true', '-z', 'gzip', '-t', OUT]
        t.match(await kcat(client, address, idempotent, { input: 'three\n' }), { code: 0 })
        t.match(
          await kcat(client, address, ['-P', '-X', 'acks=0', '-t', OUT], { input: 'four\n' }),
          { code: 0, stderr: '' },
          'without answers',
        )
      }
      const group = await kcat(client, v6, [
        '-G',
        'kcat',
        '-q',
        '-c',
        '4',
        '-X',
        'auto.offset.reset=earliest',
        INTO,
      ])
      t.match(group, { code: 0, out: 'one\ntwo\none\ntwo\n', stderr: '' })
      const transaction = ['-P', '-X', 'transactional.id=tx', '-t', INTO, '-p', '1']
      t.match(await kcat(client, v4, transaction, { input: 'five\n' }), {
        code: 0,
        stderr: /successfully committed/,
      })
      t.equal(await messagesIn(broker, OUT), 4)
    })

    t.test('kafkajs: a group, and a transaction with its offsets', async (t) => {
      for (const address of broker.servers) {
        const kafka = kafkaJs(client, address, { retry: { retries: 5 } })
        const producer = kafka.producer({ transactionalId: 'tx', maxInFlightRequests: 1, idempotent: true })
        await producer.connect()
        const committed = await producer.transaction()
        await committed.send({ topic: OUT, messages: [{ value: 'six' }] })
        const offsets = {
          consumerGroupId: 'kafkajs',
          topics: [{ topic: INTO, partitions: [{ partition: 1, offset: '0' }] }],
        }
        await committed.sendOffsets(offsets)
        await committed.commit()
        const aborted = await producer.transaction()
        await aborted.send({ topic: OUT, messages: [{ value: 'never' }] })
        await aborted.abort()
        await producer.disconnect()
        const consumer = kafka.consumer({ groupId: 'kafkajs' })
        await consumer.connect()
        await consumer.subscribe({ topic: INTO, fromBeginning: true })
        const first = new Promise((resolve, reject) => {
          consumer.on('consumer.crash', ({ payload }) => reject(payload.error))
          consumer
            .run({ eachMessage: ({ message }) => Promise.resolve(resolve(message.value?.toString())) })
            .catch(reject)
        })
        t.match(await first, /one|two|five/)
        await consumer.disconnect()
      }
    })

    t.test('console producer and consumers, classic and new protocol', async (t) => {
      await tool(t, client, v6, 'console-producer', ['--topic', INTO], 'seven\n')
      const args = ['--topic', INTO, '--from-beginning', '--max-messages', '6']
      const consume = (address: string, group: string, ...more: string[]): Promise<ToolResult> =>
        tool(t, client, address, 'console-consumer', [...args, '--group', group, ...more])
      const results = await Promise.all([
        consume(v4, 'console'),
        consume(v6, 'console-new', '--command-property', 'group.protocol=consumer'),
      ])
      for (const { out } of results) t.match(out, /^seven$/m)
    })

    t.test('a share group', async (t) => {
      // It begins with what comes after it has joined.
      const consuming = tool(t, client, v4, 'console-share-consumer', [
        '--topic',
        INTO,
        '--group',
        'share',
        '--max-messages',
        '1',
      ])
      const isOver = consuming.then(() => true)
      while (!(await Promise.race([isOver, sleep(200, false)]))) {
        await kcat(client, v4, ['-P', '-t', INTO], { input: 'eight\n' })
      }
      t.match((await consuming).out, 'eight')
    })

    t.test('transactions: a producer, and one that copies what it consumes', async (t) => {
      const load = ['--num-records', '500', '--record-size', '1000', '--throughput', '-1']
      const transaction = ['--transactional-id', 'tx', '--transaction-duration-ms', '50']
      const { out } = await tool(t, client, v6, 'producer-perf', ['--topic', INTO, ...load, ...transaction])
      t.match(out, '500 records sent')
      const copy = [
        '--input-topic',
        INTO,
        '--input-partition',
        '0',
        '--output-topic',
        OUT,
        '--max-messages',
        '2',
      ]
      const copied = await tool(t, client, v4, 'transactional-message-copier', [
        ...[...copy, '--consumer-group', 'copier', '--transactional-id', 'tx', '--transaction-size', '2'],
      ])
      t.match(copied.out, /"stage":"ProcessLoop"|shutdown_complete/)
    })

    t.test('admin clients, where everything is allowed', async (t) => {
      await tool(t, admin, v4, 'topics', ['--create', '--topic', 'new', '--partitions', '3'])
      const [described, listed, groups] = await Promise.all([
        tool(t, admin, v6, 'topics', ['--describe', '--topic', 'new']),
        tool(t, admin, v4, 'topics', ['--list']),
        tool(t, admin, v6, 'consumer-groups', ['--describe', '--all-groups', '--offsets']),
      ])
      t.match(described.out, 'PartitionCount: 3')
      t.match(listed.out, /^new$/m)
      t.match(groups.out, /kafkajs +in +1 /)
      await tool(t, admin, v6, 'topics', ['--delete', '--topic', 'new'])
    })
  })
}
