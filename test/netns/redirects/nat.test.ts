// `--redirect nat`
import t from 'tap'
import { canRunPrivileged } from '../../helpers/privileges.ts'
import { testRedirect } from '../../helpers/redirect-suite.ts'
import { startCluster } from '../../helpers/cluster.ts'
import { fromPods, networkPolicy, onHttp } from '../../helpers/network-policy.ts'
import { dropsOf } from '../../helpers/observed.ts'
import { connected, listenAndEcho } from '../../helpers/tcp.ts'

const SHORT_MS = 300

if (canRunPrivileged(t)) {
  testRedirect(t, 'nat')

  t.test('nat: a second server for a port that is in use', async (t) => {
    const { pods, weir } = await startCluster(t, {
      pods: ['client', 'one', 'two'],
      policies: Object.fromEntries(
        ['one', 'two'].map((name) => [
          `${name}.yaml`,
          networkPolicy(name, { ingress: [{ ...fromPods('client'), ...onHttp(80, { path: '/.*' }) }] }),
        ]),
      ),
      args: () => ['--redirect', 'nat'],
    })
    const { client, one, two } = pods
    const servers = [await listenAndEcho(one, 80), await listenAndEcho(two, 80)]
    t.teardown(() => servers.forEach((server) => server.close()))
    const first = await connected(client, { host: one.v4, port: 80 }, { localPort: 41_000 })
    await t.rejects(connected(client, { host: two.v4, port: 80 }, { localPort: 41_000, timeoutMs: SHORT_MS }))
    t.ok((await dropsOf(weir, 'NAT_PORT_TAKEN', 'egress')) > 0)
    first.end()
    first.destroy()
    const second = await connected(client, { host: two.v4, port: 80 }, { localPort: 41_000 })
    t.pass('when the first has ended')
    second.destroy()
  })
}
