// A Kafka port and what is no plain Kafka: SASL goes through to the broker; TLS and anything else is refused and says why.
import { once } from 'node:events'
import { join } from 'node:path'
import t from 'tap'
import { startCluster } from '../../helpers/cluster.ts'
import { canRunKafka, KAFKA_PORT, KAFKA_SASL_PORT, startKafka } from '../../helpers/kafka-broker.ts'
import { createTopics, kafkaJs } from '../../helpers/kafkajs.ts'
import { kcat } from '../../helpers/kcat.ts'
import { fromPods, networkPolicy, onKafka } from '../../helpers/network-policy.ts'
import { Observer } from '../../helpers/observed.ts'
import { canRunPrivileged } from '../../helpers/privileges.ts'
import { connected } from '../../helpers/tcp.ts'

const RULE = { role: 'produce', topic: 'empire' } as const

if (canRunPrivileged(t) && canRunKafka(t)) {
  t.setTimeout(200_000)
  t.test('other streams', async (t) => {
    const { pods, node, weir } = await startCluster(t, {
      pods: ['client', 'server'],
      policies: {
        'server.yaml': networkPolicy('server', {
          ingress: [KAFKA_PORT, KAFKA_SASL_PORT].map((port) => ({
            ...fromPods('client'),
            ...onKafka(port, RULE),
          })),
        }),
      },
    })
    const { client, server } = pods
    const observer = new Observer(weir)
    const broker = await startKafka(server, {
      directory: join(node.workDir, 'kafka'),
      users: { han: 'solo' },
    })
    await createTopics(broker, { empire: 1, secret: 1 })
    const saslServer = `${server.v4}:${KAFKA_SASL_PORT}`

    t.test('SASL PLAIN: kcat', async (t) => {
      const login = [
        'security.protocol=SASL_PLAINTEXT',
        'sasl.mechanism=PLAIN',
        'sasl.username=han',
        'sasl.password=solo',
      ].flatMap((setting) => ['-X', setting])
      const produce = (topic: string): string[] => [...login, '-P', '-t', topic]
      t.match(await kcat(client, saslServer, produce('empire'), { input: 'hello\n' }), {
        code: 0,
        stderr: '',
      })
      t.match(await kcat(client, saslServer, produce('secret'), { input: 'hello\n' }), {
        code: 1,
        stderr: /Broker: Topic authorization failed/,
      })
    })

    t.test('SASL PLAIN: kafkajs', async (t) => {
      const producer = kafkaJs(client, saslServer, {
        sasl: { mechanism: 'plain', username: 'han', password: 'solo' },
      }).producer()
      await producer.connect()
      await producer.send({ topic: 'empire', messages: [{ value: 'hello' }] })
      await t.rejects(producer.send({ topic: 'secret', messages: [{ value: 'hello' }] }), {
        message: /Topic authorization failed/,
      })
      await producer.disconnect()
      const wrong = kafkaJs(client, saslServer, {
        sasl: { mechanism: 'plain', username: 'han', password: 'chewie' },
      }).producer()
      await t.rejects(wrong.connect(), { message: /Invalid username or password/ }, "the broker's own answer")
    })

    t.test('TLS', async (t) => {
      for (const address of broker.servers) {
        const { stderr, code } = await kcat(client, address, ['-X', 'security.protocol=SSL', '-m', '2', '-L'])
        t.equal(code, 1)
        t.match(stderr, /SSL handshake failed|Failed to acquire metadata/)
      }
      for (const to of [server.v4, server.v6])
        await observer.record({ to, verdict: 'DROPPED', reason: 'KAFKA_TLS_CLIENT_HELLO' })
    })

    t.test('HTTP', async (t) => {
      const socket = await connected(client, { host: server.v4, port: KAFKA_PORT })
      socket.on('error', () => undefined)
      const closed = once(socket, 'close')
      socket.resume()
      socket.end('GET / HTTP/1.1\r\nHost: kafka\r\n\r\n')
      await closed
      const { weir } = await observer.record({
        to: server.v4,
        verdict: 'DROPPED',
        reason: 'KAFKA_REQUEST_TOO_LARGE',
      })
      t.ok(weir)
    })
  })
}
