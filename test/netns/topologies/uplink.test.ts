// Traffic from and to other machines, over an uplink that has none of Weir's programs.
import { randomBytes } from 'node:crypto'
import t from 'tap'
import { startCluster } from '../../helpers/cluster.ts'
import { curl } from '../../helpers/curl.ts'
import { startHttpServer } from '../../helpers/http-server.ts'
import { fromEntity, fromPods, networkPolicy, onHttp, toEntity } from '../../helpers/network-policy.ts'
import { Namespace } from '../../helpers/namespace.ts'
import { addressesOf, urlOf } from '../../helpers/node-namespace.ts'
import { filtersOf } from '../../helpers/machine-state.ts'
import { Observer } from '../../helpers/observed.ts'
import { canRunPrivileged } from '../../helpers/privileges.ts'
import { addRemoteHost, UPLINK, uplinkAddresses } from '../../helpers/remote-host.ts'
import { tryDial } from '../../helpers/tcp.ts'

const SHORT_MS = 300
const BODY = randomBytes(2_000_000)
/** Behind a router whose link on that side takes small packets only, which nobody but the router knows. */
const FAR = { v4: '198.51.100.2', v6: '2001:db8:51::2' }
const NARROW_MTU = 1300

if (canRunPrivileged(t)) {
  t.test('uplink', async (t) => {
    const { node, pods, weir } = await startCluster(t, {
      pods: ['server', 'inner', 'guarded'],
      policies: {
        'server.yaml': networkPolicy('server', {
          ingress: [{ ...fromEntity('world'), ...onHttp(80, { path: '/public/.*' }) }],
        }),
        'inner.yaml': networkPolicy('inner', {
          ingress: [{ ...fromPods('guarded'), ...onHttp(80, { path: '/' }) }],
        }),
        // Nobody may open a connection to it: all that comes back must be known as an answer.
        'guarded.yaml': networkPolicy('guarded', {
          ingress: [{ ...fromPods('nobody'), ...onHttp(80, { path: '/' }) }],
          egress: [{ ...toEntity('world'), ...onHttp(80, { path: '/abroad.*' }) }],
        }),
      },
    })
    const { server, inner, guarded } = pods
    const remote = addRemoteHost(t, node)
    const far = addFarHost(t, remote)
    const observer = new Observer(weir)
    const web = await startHttpServer(server)
    const innerWeb = await startHttpServer(inner)
    const remoteWeb = await startHttpServer(remote, { files: { '/abroad/big': BODY } })
    const farWeb = await startHttpServer(far)
    t.teardown(() => [web, innerWeb, remoteWeb, farWeb].forEach((site) => site.close()))

    t.test('a client elsewhere is judged on its way in, and seen by its own address', async (t) => {
      for (const [i, address] of addressesOf(server).entries()) {
        t.equal((await curl(remote, urlOf(address, '/public/a'))).status, 200, address)
        t.equal(web.requests.at(-1)?.client.address, addressesOf(remote)[i])
        t.equal((await curl(remote, urlOf(address, '/secret'))).status, 403)
        t.match((await observer.record({ to: address, path: '/secret' })).source, { identity: 2 })
        t.equal(await tryDial(remote, { host: address, port: 81 }, SHORT_MS), 'timeout')
      }
      for (const host of addressesOf(inner))
        t.equal(await tryDial(remote, { host, port: 80 }, SHORT_MS), 'timeout', 'not for the world')
    })

    t.test('a pod reaches a server elsewhere, request by request', async (t) => {
      for (const [i, address] of addressesOf(remote).entries()) {
        t.equal((await curl(guarded, urlOf(address, '/abroad'))).status, 200, address)
        t.equal(remoteWeb.requests.at(-1)?.client.address, addressesOf(guarded)[i])
        t.equal((await curl(guarded, urlOf(address, '/elsewhere'))).status, 403)
        t.equal(await tryDial(guarded, { host: address, port: 81 }, SHORT_MS), 'timeout')
        t.ok((await curl(guarded, urlOf(address, '/abroad/big'))).body.equals(BODY))
      }
      t.notOk(remoteWeb.requests.some(({ path }) => path === '/elsewhere'))
    })

    t.test('a narrow link behind a router: its complaints reach the proxy', async (t) => {
      for (const address of addressesOf(FAR)) {
        const upload = await curl(guarded, urlOf(address, '/abroad/up'), { method: 'POST', body: BODY })
        t.equal(upload.status, 200, address)
        t.equal(farWeb.requests.at(-1)?.bodyBytes, BODY.length)
      }
    })

    t.test('with the node masquerading its pods, as most do', async (t) => {
      node.execSync(['iptables', '-t', 'nat', '-A', 'POSTROUTING', '-o', UPLINK, '-j', 'MASQUERADE'])
      node.execSync(['ip6tables', '-t', 'nat', '-A', 'POSTROUTING', '-o', UPLINK, '-j', 'MASQUERADE'])
      for (const [i, address] of addressesOf(remote).entries()) {
        t.equal((await curl(guarded, urlOf(address, '/abroad'))).status, 200, address)
        t.equal(remoteWeb.requests.at(-1)?.client.address, uplinkAddresses()[i])
        t.equal((await curl(guarded, urlOf(address, '/elsewhere'))).status, 403)
        t.ok((await curl(guarded, urlOf(address, '/abroad/big'))).body.equals(BODY))
      }
      for (const address of addressesOf(server)) {
        t.equal((await curl(remote, urlOf(address, '/public/b'))).status, 200)
        t.equal((await curl(remote, urlOf(address, '/secret'))).status, 403)
      }
    })

    t.test('the uplink itself was never touched', (t) => {
      t.match(filtersOf(node), new RegExp(`^${UPLINK} ingress:\n${UPLINK} egress:\n(?!filter)`, 'm'))
      t.notMatch(node.execSync(['tc', 'qdisc', 'show', 'dev', UPLINK]), /clsact/)
      t.end()
    })
  })
}

function addFarHost(t: { teardown(handler: () => void): void }, router: Namespace): Namespace {
  const far = new Namespace(`${router.name}-far`)
  far.create()
  t.teardown(() => far.destroy())
  far.sysctl({ 'net.ipv6.conf.all.accept_dad': 0, 'net.ipv6.conf.default.accept_dad': 0 })
  router.sysctl({ 'net.ipv4.ip_forward': 1, 'net.ipv6.conf.all.forwarding': 1 })
  router.ip(
    `link add far0 mtu ${NARROW_MTU} type veth peer name eth0 netns ${far.name}`,
    'link set far0 up',
    'address add 198.51.100.1/24 dev far0',
    'address add 2001:db8:51::1/64 dev far0 nodad',
  )
  far.ip(
    'link set lo up',
    'link set eth0 up',
    `address add ${FAR.v4}/24 dev eth0`,
    `address add ${FAR.v6}/64 dev eth0 nodad`,
    'route add default via 198.51.100.1',
    'route add default via 2001:db8:51::1',
  )
  return far
}
