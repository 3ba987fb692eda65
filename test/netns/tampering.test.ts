// What Weir has set up is taken away by others, as network managers and firewalls do: closed, and put back.
import t from 'tap'
import { startCluster } from '../helpers/cluster.ts'
import { curl } from '../helpers/curl.ts'
import { startHttpServer } from '../helpers/http-server.ts'
import { fromEntity, fromPods, networkPolicy, onHttp } from '../helpers/network-policy.ts'
import { addressesOf, urlOf } from '../helpers/node-namespace.ts'
import { canRunPrivileged } from '../helpers/privileges.ts'
import { waitFor } from '../helpers/wait.ts'

const SHORT_MS = 300

if (canRunPrivileged(t)) {
  t.test('tampering', async (t) => {
    const { node, pods, weir } = await startCluster(t, {
      pods: ['client', 'server'],
      policies: {
        'server.yaml': networkPolicy('server', {
          ingress: [fromPods('client'), fromEntity('host')].map((peer) => ({
            ...peer,
            ...onHttp(80, { path: '/ok' }),
          })),
        }),
      },
      args: () => ['--workers', '1'],
    })
    const { client, server } = pods
    const site = await startHttpServer(server)
    t.teardown(() => site.close())
    const reports = (): string[] =>
      weir.log
        .filter(({ msg }) => msg === 'put back what somebody took away')
        .flatMap(({ missing }) => missing as string[])

    const rules = ['-4', '-6'].flatMap((family) =>
      [70, 71, 72].map((pref) => [family, 'rule', 'del', 'pref', pref]),
    )
    for (const words of rules) node.execSync(['ip', ...words.map(String)])
    node.execSync(['ip', 'link', 'delete', 'weir0'])
    node.execSync(['nft', 'flush', 'ruleset'])
    for (const host of addressesOf(server)) {
      const meanwhile = await curl(client, urlOf(host, '/no'), { connectTimeoutMs: SHORT_MS })
      t.ok([0, 403].includes(meanwhile.status), `closed, or mended already, ${host}`)
    }
    await waitFor(() => reports().length >= 4, { what: 'all to be put back' })
    t.strictSame(
      reports().sort(),
      ['device weir0', 'netfilter rules', 'rules and routes of IPv4', 'rules and routes of IPv6'],
      'and it says so',
    )
    for (const from of [client, node]) {
      for (const host of addressesOf(server)) {
        t.equal((await curl(from, urlOf(host, '/ok'))).status, 200, `${from.name} to ${host}`)
        t.equal((await curl(from, urlOf(host, '/no'))).status, 403)
      }
    }
    t.notOk(site.requests.some(({ path }) => path === '/no'))
  })
}
