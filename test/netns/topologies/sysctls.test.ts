// Settings of a node that others choose, strict ones included: requests are judged under each of them.
import t from 'tap'
import { startCluster } from '../../helpers/cluster.ts'
import { curl } from '../../helpers/curl.ts'
import { startHttpServer } from '../../helpers/http-server.ts'
import { type Namespace } from '../../helpers/namespace.ts'
import { fromEntity, fromPods, networkPolicy, onHttp } from '../../helpers/network-policy.ts'
import { addressesOf, urlOf } from '../../helpers/node-namespace.ts'
import { canRunPrivileged } from '../../helpers/privileges.ts'
import { addRemoteHost, UPLINK } from '../../helpers/remote-host.ts'

const PEERS = [fromPods('client'), fromEntity('host'), fromEntity('world')]
const SHORT_MS = 500

if (canRunPrivileged(t)) {
  t.test('settings', async (t) => {
    const { node, pods } = await startCluster(t, {
      pods: ['client', 'server'],
      policies: {
        'server.yaml': networkPolicy('server', {
          ingress: PEERS.map((peer) => ({ ...peer, ...onHttp(80, { path: '/public' }) })),
        }),
      },
    })
    const { client, server } = pods
    const remote = addRemoteHost(t, node)
    const web = await startHttpServer(server)
    t.teardown(() => web.close())

    const forEachDevice = (setting: string, value: number): Record<string, number> =>
      Object.fromEntries(
        ['all', 'default', 'lo', UPLINK, client.device, server.device].map((device) => [
          `net.ipv4.conf.${device}.${setting}`,
          value,
        ]),
      )
    const settings: Record<string, Record<string, number>> = {
      'rp_filter = 1': forEachDevice('rp_filter', 1),
      'rp_filter = 2': forEachDevice('rp_filter', 2),
      'src_valid_mark = 1': forEachDevice('src_valid_mark', 1),
      'accept_local = 1': forEachDevice('accept_local', 1),
      'tcp_fwmark_accept = 1': { 'net.ipv4.tcp_fwmark_accept': 1 },
    }
    const strictest = { ...forEachDevice('rp_filter', 1), ...forEachDevice('src_valid_mark', 1) }
    const all = { ...strictest, ...forEachDevice('accept_local', 1), 'net.ipv4.tcp_fwmark_accept': 1 }

    for (const [name, values] of Object.entries({
      ...settings,
      'rp_filter and src_valid_mark = 1': strictest,
      'all of them': all,
    })) {
      t.test(name, async (t) => {
        node.sysctl(values)
        for (const [who, from] of [
          ['a pod', client],
          ['a process of the node', node],
          ['another machine', remote],
        ] as const) {
          for (const address of addressesOf(server)) {
            t.equal((await curl(from, urlOf(address, '/public'))).status, 200, `${who} to ${address}`)
            t.equal((await curl(from, urlOf(address, '/secret'))).status, 403)
          }
        }
        node.sysctl(Object.fromEntries(Object.keys(values).map((setting) => [setting, 0])))
      })
    }

    t.test('what the doctor calls blocking is', async (t) => {
      const isHeard = async (from: Namespace): Promise<boolean> =>
        (await curl(from, urlOf(server.v4, '/public'), { connectTimeoutMs: SHORT_MS })).status === 200
      node.sysctl({ 'net.ipv4.conf.weir0.rp_filter': 1 })
      t.notOk(await isHeard(remote), 'strict validation on weir0')
      node.sysctl({ 'net.ipv4.conf.weir0.rp_filter': 2, 'net.ipv4.conf.weir0.accept_local': 0 })
      t.notOk(await isHeard(node), 'addresses of the node not accepted on weir0')
      node.sysctl({ 'net.ipv4.conf.weir0.accept_local': 1 })
      t.ok(await isHeard(remote))
      t.ok(await isHeard(node))
    })
  })
}
