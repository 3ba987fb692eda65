// librdkafka on both sides: kcat before the mock cluster of kcat, which knows old versions of few APIs.
import t from 'tap'
import { startCluster } from '../../helpers/cluster.ts'
import { KAFKA_PORT } from '../../helpers/kafka-broker.ts'
import { kcat, startMockCluster } from '../../helpers/kcat.ts'
import { fromPods, networkPolicy, onKafka } from '../../helpers/network-policy.ts'
import { canRunPrivileged } from '../../helpers/privileges.ts'

if (canRunPrivileged(t)) {
  t.setTimeout(110_000)
  t.test('mock cluster', async (t) => {
    const { pods } = await startCluster(t, {
      pods: ['client', 'server'],
      policies: {
        'server.yaml': networkPolicy('server', {
          ingress: [
            {
              ...fromPods('client'),
              ...onKafka(
                KAFKA_PORT,
                { role: 'produce', topicPrefix: 'empire-' },
                { role: 'consume', topic: 'empire-plans', group: 'crew' },
              ),
            },
          ],
        }),
      },
    })
    const { client, server } = pods
    const mock = await startMockCluster(server, client, KAFKA_PORT)
    t.teardown(() => mock.close())

    for (const codec of ['none', 'gzip', 'lz4', 'zstd']) {
      const produced = await kcat(
        client,
        mock.server,
        ['-P', '-t', 'empire-plans', '-p', '0', '-X', `compression.codec=${codec}`],
        { input: `${codec}\n`.repeat(3) },
      )
      t.match(produced, { code: 0, stderr: '' }, `produced with ${codec}`)
    }
    const all = ['none', 'gzip', 'lz4', 'zstd'].map((codec) => `${codec}\n`.repeat(3)).join('')
    const consume = ['-C', '-q', '-e', '-o', 'beginning', '-p', '0', '-t', 'empire-plans']
    t.match(await kcat(client, mock.server, consume), { code: 0, out: all, stderr: '' }, 'consumed')
    const join = ['-G', 'crew', '-q', '-c', '12', '-X', 'auto.offset.reset=earliest', 'empire-plans']
    t.match(await kcat(client, mock.server, join), { code: 0, out: all, stderr: '' }, 'consumed in a group')

    const denied: readonly (readonly [string, readonly string[], RegExp])[] = [
      ['another topic', ['-P', '-t', 'secret'], /Delivery failed .*Broker: Topic authorization failed/],
      ['a topic to produce to only', ['-C', '-e', '-t', 'empire-else'], /Broker: Topic authorization failed/],
      ['another group', ['-G', 'other', '-e', 'empire-plans'], /Broker: Group authorization failed/],
    ]
    for (const [title, args, says] of denied) {
      const result = await kcat(client, mock.server, args, { input: 'hello\n' })
      t.match(result, { code: 1, stderr: says }, title)
    }
    const { out } = await kcat(client, mock.server, ['-L'])
    t.match(out, 'topic "empire-plans" with 4 partitions')
    t.notMatch(out, 'unused', 'a topic that exists and is not allowed')
  })
}
