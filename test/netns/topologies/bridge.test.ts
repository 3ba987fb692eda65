// Pods that are ports of a Linux bridge, as docker0 or cni0: with bridged packets shown to iptables and without.
import { createHash, randomBytes } from 'node:crypto'
import t from 'tap'
import { startCluster } from '../../helpers/cluster.ts'
import { curl } from '../../helpers/curl.ts'
import { startHttpServer } from '../../helpers/http-server.ts'
import { fromEntity, fromPods, networkPolicy, onHttp, onTcp, toEntity } from '../../helpers/network-policy.ts'
import { addressesOf, BRIDGE, urlOf } from '../../helpers/node-namespace.ts'
import { dropsOf, Observer } from '../../helpers/observed.ts'
import { canRunPrivileged } from '../../helpers/privileges.ts'
import { addRemoteHost } from '../../helpers/remote-host.ts'
import { listenAndEcho, tryDial } from '../../helpers/tcp.ts'
import { waitFor } from '../../helpers/wait.ts'

const SHORT_MS = 300
const BODY = randomBytes(5_000_000)
const POLICIES = {
  'server.yaml': networkPolicy('server', {
    ingress: [
      { ...fromPods('client', 'guarded'), ...onHttp(80, { path: '/public/.*' }) },
      { ...fromEntity('host'), ...onHttp(80, { path: '/health' }) },
      { ...fromPods('client'), ...onTcp(8080) },
    ],
  }),
  'guarded.yaml': networkPolicy('guarded', {
    egress: [
      { ...toEntity('world'), ...onHttp(80, { path: '/abroad' }) },
      { toEndpoints: [{ matchLabels: { app: 'open' } }], ...onHttp(80, { path: '/guarded' }) },
    ],
  }),
}

if (canRunPrivileged(t)) {
  for (const bridge of ['plain', 'netfilter'] as const) {
    t.test(`bridge, ${bridge}`, async (t) => {
      const { node, pods, weir } = await startCluster(t, {
        bridge,
        pods: ['client', 'other', 'server', 'guarded', 'open'],
        policies: POLICIES,
      })
      const { client, other, server, guarded, open } = pods
      const remote = addRemoteHost(t, node)
      const observer = new Observer(weir)
      const web = await startHttpServer(server, { files: { '/public/big': BODY } })
      const openWeb = await startHttpServer(open)
      const remoteWeb = await startHttpServer(remote)
      const echo = await listenAndEcho(server, 8080)
      t.teardown(() => [web, openWeb, remoteWeb, echo].forEach((server) => server.close()))

      t.test('pod to pod: judged request by request, the server sees the client', async (t) => {
        for (const [i, address] of addressesOf(server).entries()) {
          t.equal((await curl(client, urlOf(address, '/public/a'))).status, 200, address)
          t.equal(web.requests.at(-1)?.client.address, addressesOf(client)[i])
          t.equal((await curl(client, urlOf(address, '/secret'))).status, 403)
          t.match(await observer.record({ to: address, path: '/secret' }), { weir: { where: 'proxy' } })
          t.equal(await tryDial(other, { host: address, port: 80 }, SHORT_MS), 'timeout')
          t.equal(await tryDial(client, { host: address, port: 8080 }), 'connected', 'L4 alone')
          t.equal(await tryDial(other, { host: address, port: 8080 }, SHORT_MS), 'timeout')
        }
        t.notOk(web.requests.some(({ path }) => path === '/secret'))
      })

      t.test('5 MB both ways arrive unchanged', async (t) => {
        for (const address of addressesOf(server)) {
          const download = await curl(client, urlOf(address, '/public/big'))
          t.ok(download.body.equals(BODY), address)
          const upload = await curl(client, urlOf(address, '/public/up'), { method: 'POST', body: BODY })
          t.equal(upload.status, 200)
          t.equal(web.requests.at(-1)?.bodySha256, createHash('sha256').update(BODY).digest('hex'))
        }
      })

      t.test('host to pod', async (t) => {
        for (const address of addressesOf(server)) {
          t.equal((await curl(node, urlOf(address, '/health'))).status, 200, address)
          t.equal((await curl(node, urlOf(address, '/public/a'))).status, 403)
        }
      })

      t.test('egress policies: to a pod of the bridge, and beyond the uplink', async (t) => {
        for (const [path, target, site] of [
          ['/guarded', open, openWeb],
          ['/abroad', remote, remoteWeb],
        ] as const) {
          for (const [i, address] of addressesOf(target).entries()) {
            t.equal((await curl(guarded, urlOf(address, path))).status, 200, address)
            t.equal(site.requests.at(-1)?.client.address, addressesOf(guarded)[i])
            t.equal((await curl(guarded, urlOf(address, '/elsewhere'))).status, 403)
          }
        }
      })

      t.test(
        'a bridge that has forgotten where everybody is floods, and nobody else gets to see it',
        async (t) => {
          const before = await dropsOf(weir, 'OTHER_ENDPOINT', 'ingress')
          node.execSync(['ip', 'link', 'set', BRIDGE, 'type', 'bridge', 'fdb_flush'])
          t.equal((await curl(client, urlOf(server.v4, '/public/flood'))).status, 200)
          t.ok((await dropsOf(weir, 'OTHER_ENDPOINT', 'ingress')) > before)
          t.equal((await curl(client, urlOf(server.v4, '/secret'))).status, 403)
        },
      )

      t.test('a device that leaves the bridge and comes back', async (t) => {
        const attached = (): number => weir.log.filter(({ msg }) => msg === 'endpoint attached').length
        for (const command of [['nomaster'], ['master', BRIDGE]]) {
          const before = attached()
          node.ip(`link set ${client.device} ${command.join(' ')}`)
          await waitFor(() => attached() > before, { what: 'new programs' })
        }
        t.equal((await curl(client, urlOf(server.v6, '/public/back'))).status, 200)
        t.equal((await curl(client, urlOf(server.v6, '/secret'))).status, 403)
      })
    })
  }
}
