// What is denied, client by client: each says what it says before a broker that authorises by itself, and as soon.
import { join } from 'node:path'
import t from 'tap'
import { type Flow } from '../../../src/lib/flow.ts'
import { startCluster } from '../../helpers/cluster.ts'
import { allowOnly, AUTHORIZER } from '../../helpers/kafka-acls.ts'
import { canRunKafka, KAFKA_PORT, type KafkaBroker, startKafka } from '../../helpers/kafka-broker.ts'
import { kafkaTool } from '../../helpers/kafka-tools.ts'
import { createTopics, kafkaJs, messagesIn } from '../../helpers/kafkajs.ts'
import { kcat } from '../../helpers/kcat.ts'
import { fromPods, networkPolicy, onKafka, onTcp } from '../../helpers/network-policy.ts'
import { Observer } from '../../helpers/observed.ts'
import { canRunPrivileged } from '../../helpers/privileges.ts'
import { waitFor } from '../../helpers/wait.ts'
import { DENIED_CASES, type DeniedCase, GRANTS, RULES, TOPICS } from './denied-cases.ts'

/** Later than before the broker; clients give up by themselves after 30 to 60 seconds. */
const SOON_MS = 20_000

if (canRunPrivileged(t) && canRunKafka(t)) {
  t.setTimeout(280_000)
  t.test('denied', async (t) => {
    const { pods, node, weir } = await startCluster(t, {
      pods: ['client', 'server', 'reference'],
      policies: {
        'server.yaml': networkPolicy('server', {
          ingress: [{ ...fromPods('client'), ...onKafka(KAFKA_PORT, ...RULES) }],
        }),
        'reference.yaml': networkPolicy('reference', {
          ingress: [{ ...fromPods('client'), ...onTcp(KAFKA_PORT) }],
        }),
      },
    })
    const { client } = pods
    const observer = new Observer(weir)
    const start = async (name: 'server' | 'reference', properties = {}): Promise<KafkaBroker> => {
      const broker = await startKafka(pods[name], { directory: join(node.workDir, name), properties })
      await createTopics(broker, TOPICS)
      return broker
    }
    const [broker, reference] = await Promise.all([start('server'), start('reference', AUTHORIZER)])
    await allowOnly(reference, GRANTS)

    const run = async (
      { tool, args }: DeniedCase,
      server: string,
    ): Promise<{ text: string; timeMs: number }> => {
      const options = { input: 'hello\n' }
      const bootstrap = ['--bootstrap-server', server]
      const result =
        tool === 'kcat'
          ? await kcat(client, server, args, options)
          : await kafkaTool(client, tool, [...bootstrap, ...args], options)
      return { text: `ended with ${result.code}\n${result.out}${result.stderr}`, timeMs: result.timeMs }
    }

    for (const [i, test] of DENIED_CASES.entries()) {
      t.test(test.title, async (t) => {
        // Each over one family, in turn.
        const family = i % 2
        const [wanted, got] = await Promise.all(
          [reference, broker].map(({ servers }) => run(test, servers[family]!)),
        )
        t.match(wanted!.text, test.says, 'the broker that authorises')
        t.match(got!.text, test.says, 'Weir')
        t.equal(got!.text.split('\n')[0], wanted!.text.split('\n')[0], 'it ends the same way')
        t.ok(got!.timeMs < wanted!.timeMs + SOON_MS, `after ${Math.round(got!.timeMs)} ms`)
      })
    }

    t.test('kafkajs', async (t) => {
      for (const { servers } of [reference, broker]) {
        for (const server of servers) {
          const kafka = kafkaJs(client, server)
          const producer = kafka.producer()
          await producer.connect()
          const send = (...topics: string[]): Promise<unknown> =>
            producer.sendBatch({
              topicMessages: topics.map((topic) => ({ topic, messages: [{ value: 'hello' }] })),
            })
          const denied = /Topic authorization failed/
          await t.rejects(send('secret'), { message: denied })
          await t.rejects(send('empire', 'secret'), { message: denied }, 'one of two topics')
          await send('empire')
          await producer.disconnect()
          const admin = kafka.admin()
          await admin.connect()
          t.same((await admin.listTopics()).sort(), ['empire', 'plans'], 'others are not told of')
          await t.rejects(admin.fetchTopicMetadata({ topics: ['empire', 'secret'] }), { message: denied })
          await t.rejects(admin.createTopics({ topics: [{ topic: 'new' }] }), {
            errors: [{ message: denied, topic: 'new' }],
          })
          await admin.disconnect()
        }
      }
    })

    t.test('records', async (t) => {
      const find = (verdict: string, fields: object): Promise<Flow> =>
        waitFor(
          () =>
            observer.flows.find((flow) => flow.verdict === verdict && isMatch(flow.l7?.kafka ?? {}, fields)),
          { what: `a record of ${verdict} ${JSON.stringify(fields)}` },
        )
      const denied = await find('DROPPED', { api_key: 'metadata', topic: 'secret', error_code: 29 })
      t.match(denied, { drop_reason_desc: 'POLICY_DENIED', weir: { reason: 'NO_RULE_MATCHED' } })
      await find('DROPPED', { api_key: 'joingroup', error_code: 30 })
      await find('DROPPED', { api_key: 'initproducerid', error_code: 53 })
      const allowed = await find('FORWARDED', { api_key: 'produce', topic: 'empire', error_code: 0 })
      t.match(allowed.weir.rule, 'server-policy ingress[0].toPorts[0].rules.kafka[0]')
    })

    t.test('nothing came to the broker', async (t) => {
      t.equal(await messagesIn(broker, 'secret'), 0)
      const admin = kafkaJs(pods.server, broker.servers[0]).admin()
      await admin.connect()
      t.strictSame(
        (await admin.listTopics()).filter((name) => !name.startsWith('__')).sort(),
        Object.keys(TOPICS).sort(),
      )
      const { groups } = await admin.listGroups()
      t.notOk(groups.some(({ groupId }) => groupId === 'other'))
      await admin.disconnect()
    })
  })
}

function isMatch(value: object, wanted: object): boolean {
  return Object.entries(wanted).every(([name, expected]) => value[name as keyof object] === expected)
}
