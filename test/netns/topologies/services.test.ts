// Service addresses that netfilter translates, as kube-proxy and container engines do it.
import t from 'tap'
import { startCluster } from '../../helpers/cluster.ts'
import { curl, CURL_TIMED_OUT } from '../../helpers/curl.ts'
import { startHttpServer } from '../../helpers/http-server.ts'
import { fromEntity, fromPods, networkPolicy, onHttp, toEntity } from '../../helpers/network-policy.ts'
import { addressesOf, BRIDGE, type NodeNamespace, urlOf } from '../../helpers/node-namespace.ts'
import { dropsOf, Observer } from '../../helpers/observed.ts'
import { canRunPrivileged } from '../../helpers/privileges.ts'
import { addRemoteHost, uplinkAddresses } from '../../helpers/remote-host.ts'
import { waitFor } from '../../helpers/wait.ts'

const SHORT_MS = 300
const POLICIES = {
  'server.yaml': networkPolicy('server', {
    ingress: [
      { ...fromPods('client', 'server'), ...onHttp(80, { path: '/public/.*' }) },
      { ...fromEntity('host'), ...onHttp(80, { path: '/health' }) },
      { ...fromEntity('world'), ...onHttp(80, { path: '/published' }) },
    ],
  }),
  'guarded.yaml': networkPolicy('guarded', {
    egress: [{ ...toEntity('world'), ...onHttp(80, { path: '/guarded' }) }],
  }),
  'closed.yaml': networkPolicy('closed', {
    ingress: [{ ...fromPods('guarded'), ...onHttp(80, { path: '/guarded' }) }],
  }),
}

interface Service {
  readonly v4: string
  readonly v6: string
}
const SERVER: Service = { v4: '10.96.0.10', v6: 'fd00:96::10' }
const OPEN: Service = { v4: '10.96.0.20', v6: 'fd00:96::20' }
const CLOSED: Service = { v4: '10.96.0.30', v6: 'fd00:96::30' }

/** For pods and for processes of the node; hairpins are masqueraded: all as kube-proxy does it. */
function addService(node: NodeNamespace, service: Service, backend: Service): void {
  for (const [command, address, target, bits] of [
    ['iptables', service.v4, backend.v4, 32],
    ['ip6tables', service.v6, `[${backend.v6}]`, 128],
  ] as const) {
    for (const chain of ['PREROUTING', 'OUTPUT']) {
      const match = ['-d', `${address}/${bits}`, '-p', 'tcp', '--dport', '80']
      const action = ['-j', 'DNAT', '--to-destination', `${target}:80`]
      node.execSync([command, '-t', 'nat', '-A', chain, ...match, ...action])
    }
  }
  node.ip(`route replace ${service.v4}/32 dev lo`, `route replace ${service.v6}/128 dev lo`)
}

function masqueradeHairpin(node: NodeNamespace, pod: Service): void {
  for (const [command, address] of [
    ['iptables', pod.v4],
    ['ip6tables', pod.v6],
  ] as const) {
    node.execSync([
      command,
      '-t',
      'nat',
      '-A',
      'POSTROUTING',
      '-s',
      address,
      '-d',
      address,
      '-j',
      'MASQUERADE',
    ])
  }
}

if (canRunPrivileged(t)) {
  for (const bridge of [undefined, 'plain', 'netfilter'] as const) {
    t.test(`services, ${bridge === undefined ? 'routed' : `bridge ${bridge}`}`, async (t) => {
      const { node, pods, weir } = await startCluster(t, {
        ...(bridge === undefined ? {} : { bridge }),
        pods: ['client', 'other', 'server', 'guarded', 'open', 'closed'],
        policies: POLICIES,
      })
      const { client, other, server, guarded, open, closed } = pods
      const remote = addRemoteHost(t, node)
      const observer = new Observer(weir)
      const web = await startHttpServer(server)
      const openWeb = await startHttpServer(open)
      const closedWeb = await startHttpServer(closed)
      t.teardown(() => [web, openWeb, closedWeb].forEach((site) => site.close()))
      addService(node, SERVER, server)
      addService(node, OPEN, open)
      addService(node, CLOSED, closed)
      // Without, a bridge sends nothing back to where it came from: kubelet sets it.
      if (bridge !== undefined) node.ip(`link set ${server.device} type bridge_slave hairpin on`)
      await trackingIsKnown(node)

      t.test('ingress rules hold behind a service address', async (t) => {
        for (const [i, address] of addressesOf(SERVER).entries()) {
          t.equal((await curl(client, urlOf(address, '/public/a'))).status, 200, address)
          t.equal(web.requests.at(-1)?.client.address, addressesOf(client)[i])
          t.equal((await curl(client, urlOf(address, '/secret'))).status, 403)
          const denied = await curl(other, urlOf(address, '/public/a'), { connectTimeoutMs: SHORT_MS })
          t.equal(denied.exitCode, CURL_TIMED_OUT, 'a peer that no rule names')
          const flow = await observer.record({ path: '/secret', to: addressesOf(server)[i] ?? '' })
          t.match(flow, { destination: { pod_name: 'server' } }, 'named by its own address')
        }
      })

      t.test('a process of the node uses a service', async (t) => {
        for (const address of addressesOf(SERVER)) {
          t.equal((await curl(node, urlOf(address, '/health'))).status, 200, address)
          t.equal((await curl(node, urlOf(address, '/public/a'))).status, 403)
        }
      })

      t.test('egress rules hold for a service address', async (t) => {
        for (const [i, address] of addressesOf(OPEN).entries()) {
          t.equal((await curl(guarded, urlOf(address, '/guarded'))).status, 200, address)
          t.equal(openWeb.requests.at(-1)?.client.address, addressesOf(guarded)[i])
          t.equal((await curl(guarded, urlOf(address, '/elsewhere'))).status, 403)
        }
        t.notOk(openWeb.requests.some(({ path }) => path === '/elsewhere'))
      })

      t.test('egress rules to a service whose backend has L7 rules of its own: closed', async (t) => {
        for (const address of addressesOf(CLOSED)) {
          const before = await dropsOf(weir, 'UPSTREAM_NOT_JUDGED', 'ingress')
          const answer = await curl(guarded, urlOf(address, '/guarded'), { timeoutMs: 1_000 })
          t.equal(answer.status, 0, address)
          t.ok((await dropsOf(weir, 'UPSTREAM_NOT_JUDGED', 'ingress')) > before)
        }
        t.equal(closedWeb.requests.length, 0)
      })

      t.test('hairpin: a pod that reaches itself through the service', async (t) => {
        for (const address of addressesOf(SERVER)) {
          t.equal((await curl(server, urlOf(address, '/public/self'))).status, 200, address)
          t.equal((await curl(server, urlOf(address, '/secret'))).status, 403)
        }
      })

      t.test('hairpin with masquerading: the node is the peer', async (t) => {
        masqueradeHairpin(node, server)
        for (const address of addressesOf(SERVER)) {
          t.equal((await curl(server, urlOf(address, '/health'))).status, 200, address)
          t.equal((await curl(server, urlOf(address, '/public/self'))).status, 403)
        }
      })

      t.test('a published port of the node, as docker makes them', async (t) => {
        publish(node, 8080, server, bridge === undefined ? server.device : BRIDGE)
        for (const [i, address] of uplinkAddresses().entries()) {
          t.equal((await curl(remote, urlOf(address, '/published', 8080))).status, 200, address)
          t.equal(web.requests.at(-1)?.client.address, addressesOf(remote)[i])
          t.equal((await curl(remote, urlOf(address, '/public/a', 8080))).status, 403)
        }
        t.notOk(web.requests.some(({ path }) => path === '/secret'))
      })
    })
  }
}

/** Rules of docker 20: DNAT for what does not come from the bridge, forwarding allowed, containers masqueraded. */
function publish(node: NodeNamespace, port: number, pod: Service, device: string): void {
  for (const [command, address, target] of [
    ['iptables', pod.v4, pod.v4],
    ['ip6tables', pod.v6, `[${pod.v6}]`],
  ] as const) {
    const nat = [command, '-t', 'nat', '-A']
    const local = ['-m', 'addrtype', '--dst-type', 'LOCAL']
    node.execSync([
      ...nat,
      'PREROUTING',
      ...local,
      '!',
      '-i',
      device,
      '-p',
      'tcp',
      '--dport',
      String(port),
      '-j',
      'DNAT',
      '--to-destination',
      `${target}:80`,
    ])
    node.execSync([...nat, 'POSTROUTING', '-s', address, '!', '-o', device, '-j', 'MASQUERADE'])
  }
}

/** Weir looks every few seconds whether connections are tracked here. */
async function trackingIsKnown(node: NodeNamespace): Promise<void> {
  const isThere = (): boolean => node.execSync(['nft', 'list', 'table', 'inet', 'weir']).includes('dnat')
  await waitFor(isThere, { what: 'rules against translation' })
}
