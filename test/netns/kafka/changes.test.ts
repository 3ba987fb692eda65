// What happens while clients are at it: much data, a policy that changes, a worker that is killed.
import { type ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { createWriteStream } from 'node:fs'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { type Readable } from 'node:stream'
import t from 'tap'
import { inForce, startCluster } from '../../helpers/cluster.ts'
import { canRunKafka, KAFKA_PORT, startKafka } from '../../helpers/kafka-broker.ts'
import { createTopics, kafkaJs, messagesIn } from '../../helpers/kafkajs.ts'
import { kcat } from '../../helpers/kcat.ts'
import { fromPods, networkPolicy, onKafka } from '../../helpers/network-policy.ts'
import { canRunPrivileged } from '../../helpers/privileges.ts'
import { waitFor } from '../../helpers/wait.ts'
import { watchMemory } from '../../helpers/worker-memory.ts'

const SMALL_BYTES = 1_000
const LARGE_BYTES = 10_000_000
const TOTAL_BYTES = 100_000_000
/** Of the whole worker: garbage that waits for collection, and no batch. */
const MAX_GROWTH_BYTES = 64 * 1024 * 1024

const policy = (...topics: string[]): unknown =>
  networkPolicy('server', {
    ingress: [
      {
        ...fromPods('client'),
        ...onKafka(
          KAFKA_PORT,
          ...topics.flatMap((topic) => [
            { role: 'produce' as const, topic },
            { role: 'consume' as const, topic },
          ]),
        ),
      },
    ],
  })

if (canRunPrivileged(t) && canRunKafka(t)) {
  t.setTimeout(280_000)
  t.test('changes', async (t) => {
    const cluster = await startCluster(t, {
      pods: ['client', 'server'],
      policies: { 'server.yaml': policy('empire', 'plans') },
      args: () => ['--workers', '1'],
    })
    const { node, pods, weir } = cluster
    const { client, server } = pods
    const broker = await startKafka(server, {
      directory: join(node.workDir, 'kafka'),
      properties: { 'message.max.bytes': LARGE_BYTES * 2, 'log.segment.bytes': 50_000_000 },
    })
    await createTopics(broker, { empire: 1, plans: 1 })
    const [v4, v6] = broker.servers

    t.test('200 MB in, and out again', async (t) => {
      const memory = watchMemory(weir)
      const small = join(node.workDir, 'small')
      await writeRecords(small, SMALL_BYTES, TOTAL_BYTES / SMALL_BYTES)
      t.match(
        await kcat(client, v6, ['-P', '-t', 'empire', '-p', '0', '-l', small], { timeoutMs: 120_000 }),
        {
          code: 0,
          stderr: '',
        },
      )
      const large = join(node.workDir, 'large')
      await writeRecords(large, LARGE_BYTES, TOTAL_BYTES / LARGE_BYTES)
      const limit = ['-X', `message.max.bytes=${LARGE_BYTES * 2}`]
      t.match(
        await kcat(client, v4, ['-P', '-t', 'empire', '-p', '0', ...limit, '-l', large], {
          timeoutMs: 120_000,
        }),
        { code: 0, stderr: '' },
      )
      t.ok(memory.growth() < MAX_GROWTH_BYTES, `the worker has grown by ${memory.growth()} bytes`)
      const count = TOTAL_BYTES / SMALL_BYTES + TOTAL_BYTES / LARGE_BYTES
      t.equal(await messagesIn(broker, 'empire'), count)
      const fetch = ['-X', `fetch.message.max.bytes=${LARGE_BYTES}`, ...['-f', '%S\\n']]
      const consumed = await kcat(
        client,
        v6,
        ['-C', '-q', '-t', 'empire', '-o', 'beginning', '-c', String(count), ...fetch],
        {
          timeoutMs: 120_000,
        },
      )
      t.match(consumed, { code: 0, stderr: '' })
      const sizes = consumed.out.trim().split('\n').map(Number)
      t.equal(sizes.length, count)
      t.equal(
        sizes.reduce((total, size) => total + size, 0),
        2 * TOTAL_BYTES,
      )
      t.ok(memory.growth() < MAX_GROWTH_BYTES, `the worker has grown by ${memory.growth()} bytes`)
    })

    t.test('a policy that changes while a producer runs', async (t) => {
      const producer = kafkaJs(client, v4).producer()
      await producer.connect()
      const send = (...topics: string[]): Promise<unknown> =>
        producer.sendBatch({
          topicMessages: topics.map((topic) => ({ topic, messages: [{ value: 'hello' }] })),
        })
      await send('empire', 'plans')
      const before = await messagesIn(broker, 'empire')
      await inForce(weir, () => weir.writePolicy('server.yaml', policy('plans')))
      const denied = { message: /Topic authorization failed/ }
      await t.rejects(send('empire'), denied, 'it knows the partition from before: Produce is what is denied')
      await t.rejects(send('empire', 'plans'), denied, 'one of two topics in a request')
      await send('plans')
      await inForce(weir, () => weir.writePolicy('server.yaml', policy('empire', 'plans')))
      await send('empire')
      await producer.disconnect()
      t.equal(await messagesIn(broker, 'empire'), before + 1)
    })

    t.test('a policy that changes while consumers run', async (t) => {
      const consume = (...args: string[]): Consumer => {
        const format = ['-u', '-f', '%t:%s\\n', '-X', 'auto.offset.reset=latest']
        const child = client.spawn(['kcat', '-b', v6, ...format, ...args])
        t.teardown(() => child.kill('SIGKILL'))
        return { child, lines: linesOf(child.stdout!), errors: linesOf(child.stderr!) }
      }
      const both = consume('-G', 'crew', 'empire', 'plans')
      const allowed = consume('-C', '-t', 'plans', '-o', 'end')
      const producer = kafkaJs(server, v4, { retry: { retries: 5 } }).producer()
      await producer.connect()
      const send = (value: string): Promise<unknown> =>
        producer.sendBatch({
          topicMessages: ['empire', 'plans'].map((topic) => ({ topic, messages: [{ value }] })),
        })
      // They begin at the end of topics, as they find them some time later.
      await waitFor(
        async () => {
          await send('early')
          return both.lines.includes('empire:early') && allowed.lines.includes('plans:early')
        },
        { what: 'first messages', timeoutMs: 60_000 },
      )
      await inForce(weir, () => weir.writePolicy('server.yaml', policy('plans')))
      // What a consumer has asked for before is still answered.
      await waitFor(() => both.child.exitCode !== null, {
        what: 'the end of the consumer of a denied topic',
        timeoutMs: 60_000,
      })
      t.match(both.errors.join('\n'), /Topic empire .*Broker: Topic authorization failed/)
      await send('late')
      await waitFor(() => allowed.lines.includes('plans:late'), { what: 'plans:late', timeoutMs: 60_000 })
      t.notOk(both.lines.includes('empire:late'))
      t.equal(allowed.child.exitCode, null, 'the other consumer has gone on')
      await inForce(weir, () => weir.writePolicy('server.yaml', policy('empire', 'plans')))
      await producer.disconnect()
    })

    t.test('kill -9 of the worker: clients go on', async (t) => {
      const consumer = client.spawn([
        'kcat',
        '-C',
        '-q',
        '-E',
        '-u',
        '-b',
        v6,
        '-t',
        'plans',
        '-o',
        'beginning',
      ])
      t.teardown(() => consumer.kill('SIGKILL'))
      const lines = linesOf(consumer.stdout!)
      consumer.stderr?.resume()
      const producer = kafkaJs(client, v4, {
        retry: { retries: 20, initialRetryTime: 100, maxRetryTime: 1_000 },
      }).producer()
      await producer.connect()
      const send = (value: string): Promise<unknown> =>
        producer.send({ topic: 'plans', messages: [{ value }] })
      await send('before')
      await waitFor(() => lines.includes('before'), { what: 'the first message', timeoutMs: 30_000 })
      t.equal((await weir.kill9('proxy')).length, 1)
      await send('after')
      await waitFor(() => lines.includes('after'), { what: 'the second message', timeoutMs: 60_000 })
      await producer.disconnect()
      t.equal(consumer.exitCode, null, 'the consumer has gone on')
    })
  })
}

interface Consumer {
  readonly child: ChildProcess
  readonly lines: readonly string[]
  readonly errors: readonly string[]
}

/** As they come. */
function linesOf(input: Readable): readonly string[] {
  const lines: string[] = []
  createInterface({ input }).on('line', (line) => lines.push(line))
  return lines
}

/** One per line. */
async function writeRecords(file: string, bytes: number, count: number): Promise<void> {
  const stream = createWriteStream(file)
  for (let i = 0; i < count; i++) {
    if (!stream.write(`${`${i} `.padEnd(bytes, 'x')}\n`)) await once(stream, 'drain')
  }
  stream.end()
  await once(stream, 'close')
}
