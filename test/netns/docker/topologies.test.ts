// Every way to a container and from it, with the bridges, rules and port publishing of a real Docker engine.
import { createHash, randomBytes } from 'node:crypto'
import t from 'tap'
import { curl, CURL_TIMED_OUT } from '../../helpers/curl.ts'
import { DockerEngine } from '../../helpers/docker-engine.ts'
import { endpointNamed, startWeir } from '../../helpers/docker-weir.ts'
import { startHttpServer } from '../../helpers/http-server.ts'
import { type Namespace } from '../../helpers/namespace.ts'
import {
  fromEntity,
  fromPods,
  networkPolicy,
  onHttp,
  onTcp,
  toEntity,
  toPods,
} from '../../helpers/network-policy.ts'
import { addressesOf, NodeNamespace, urlOf } from '../../helpers/node-namespace.ts'
import { Observer } from '../../helpers/observed.ts'
import { canRunPrivileged } from '../../helpers/privileges.ts'
import { addRemoteHost, uplinkAddresses } from '../../helpers/remote-host.ts'
import { tryDial } from '../../helpers/tcp.ts'

const SHORT_MS = 300
const BODY = randomBytes(2_000_000)
const PUBLISHED = 8080
const POLICIES = {
  'server.yaml': networkPolicy('server', {
    ingress: [
      { ...fromPods('client', 'guarded'), ...onHttp(80, { path: '/public/.*' }) },
      { ...fromEntity('host'), ...onHttp(80, { path: '/health' }) },
      { ...fromEntity('world'), ...onHttp(80, { path: '/published' }) },
      { ...fromPods('client'), ...onTcp(8081) },
    ],
  }),
  'guarded.yaml': networkPolicy('guarded', {
    egress: [
      { ...toEntity('world'), ...onHttp(80, { path: '/abroad' }) },
      { ...toPods('server'), ...onHttp(80, { path: '/public/guarded' }) },
    ],
  }),
}

if (canRunPrivileged(t)) {
  t.test('topologies', async (t) => {
    const node = NodeNamespace.forTest(t)
    const remote = addRemoteHost(t, node)
    // Docker 27 and newer do the same for IPv6 as for IPv4 without being asked.
    const engine = await DockerEngine.start(t, node, ['--experimental', '--ip6tables'])
    await engine.addNetwork('web', 1)
    await engine.addNetwork('back', 2)
    const publish = ['-p', `${PUBLISHED}:80`]
    const run = (name: string, network: string, args: readonly string[] = []) =>
      engine.run(name, { network, labels: { app: name }, args })
    const server = await run('server', 'web', publish)
    const client = await run('client', 'web')
    const other = await run('other', 'web')
    const guarded = await run('guarded', 'web')
    const distant = await run('distant', 'back')
    const both = await engine.run('both', { network: 'web', labels: { app: 'client' } })
    await engine.docker('network', 'connect', 'back', 'both')

    const rulesBefore = rulesOf(node)
    const weir = await startWeir(t, engine, { policies: POLICIES })
    const observer = new Observer(weir)
    const web = await startHttpServer(server, { files: { '/public/big': BODY } })
    const remoteWeb = await startHttpServer(remote)
    const bothWeb = await startHttpServer(both)
    t.teardown(() => [web, remoteWeb, bothWeb].forEach((site) => site.close()))
    const serverAddresses = await engine.addressesOf('server', 'web')
    const clientAddresses = addressesOf(await engine.addressesOf('client', 'web'))

    t.test("Docker's own rules are what they were", async (t) => {
      t.equal(rulesOf(node), rulesBefore)
    })

    for (const filtersBridges of [1, 0]) {
      t.test(`bridged packets shown to iptables: ${filtersBridges}`, async (t) => {
        node.sysctl({
          'net.bridge.bridge-nf-call-iptables': filtersBridges,
          'net.bridge.bridge-nf-call-ip6tables': filtersBridges,
        })

        t.test('container to container on one bridge', async (t) => {
          for (const [i, address] of addressesOf(serverAddresses).entries()) {
            t.equal((await curl(client, urlOf(address, '/public/a'))).status, 200, address)
            t.equal(web.requests.at(-1)?.client.address, clientAddresses[i])
            t.equal((await curl(client, urlOf(address, '/secret'))).status, 403)
            t.match(await observer.record({ to: address, path: '/secret' }), {
              source: { pod_name: 'client' },
              destination: { pod_name: 'server' },
            })
            t.equal(await tryDial(other, { host: address, port: 80 }, SHORT_MS), 'timeout')
            t.equal(await tryDial(client, { host: address, port: 8081 }), 'refused', 'L4 alone')
            t.equal((await curl(guarded, urlOf(address, '/public/guarded'))).status, 200)
            t.equal((await curl(guarded, urlOf(address, '/public/a'))).status, 403)
          }
          t.match(await observer.record({ from: await addressOf('other'), reason: 'POLICY_DENIED' }), {
            source: { pod_name: 'other' },
            destination: { pod_name: 'server' },
          })
          t.notOk(web.requests.some(({ path }) => path === '/secret'))
        })

        t.test('2 MB both ways arrive unchanged', async (t) => {
          for (const address of addressesOf(serverAddresses)) {
            t.ok((await curl(client, urlOf(address, '/public/big'))).body.equals(BODY), address)
            await curl(client, urlOf(address, '/public/up'), { method: 'POST', body: BODY })
            t.equal(web.requests.at(-1)?.bodySha256, createHash('sha256').update(BODY).digest('hex'))
          }
        })

        t.test('host to container', async (t) => {
          for (const address of addressesOf(serverAddresses)) {
            t.equal((await curl(node, urlOf(address, '/health'))).status, 200, address)
            t.equal((await curl(node, urlOf(address, '/public/a'))).status, 403)
          }
        })

        t.test('published port, from another machine: its address is kept', async (t) => {
          for (const [i, address] of uplinkAddresses().entries()) {
            t.equal((await curl(remote, urlOf(address, '/published', PUBLISHED))).status, 200, address)
            t.equal(web.requests.at(-1)?.client.address, addressesOf(remote)[i])
            t.equal((await curl(remote, urlOf(address, '/health', PUBLISHED))).status, 403)
          }
        })

        t.test('published port, from the node itself', async (t) => {
          for (const address of ['127.0.0.1', ...uplinkAddresses()]) {
            t.equal((await curl(node, urlOf(address, '/health', PUBLISHED))).status, 200, address)
            t.equal((await curl(node, urlOf(address, '/public/a', PUBLISHED))).status, 403)
          }
        })

        t.test('across bridges: isolated by Docker, and through a published port by its proxy', async (t) => {
          for (const address of addressesOf(serverAddresses)) {
            t.equal(await tryDial(distant, { host: address, port: 80 }, SHORT_MS), 'timeout', address)
          }
          const [published = ''] = uplinkAddresses()
          t.equal((await curl(distant, urlOf(published, '/health', PUBLISHED))).status, 200, 'as the host')
          t.equal((await curl(distant, urlOf(published, '/public/a', PUBLISHED))).status, 403)
        })

        t.test('container to the outside, masqueraded by Docker', async (t) => {
          for (const [i, address] of addressesOf(remote).entries()) {
            t.equal((await curl(guarded, urlOf(address, '/abroad'))).status, 200, address)
            t.equal(remoteWeb.requests.at(-1)?.client.address, uplinkAddresses()[i])
            t.equal((await curl(guarded, urlOf(address, '/elsewhere'))).status, 403)
            t.equal((await curl(client, urlOf(address, '/elsewhere'))).status, 200, 'no policy: open')
          }
        })

        t.test('a container on two networks is one endpoint', async (t) => {
          const endpoint = await endpointNamed(weir, 'both')
          t.equal(endpoint?.devices.length, 2)
          t.equal(endpoint?.addresses.length, 4)
          t.equal((await curl(both, urlOf(serverAddresses.v4, '/public/a'))).status, 200)
          t.equal((await curl(both, urlOf(serverAddresses.v6, '/secret'))).status, 403)
          for (const address of addressesOf(await engine.addressesOf('both', 'back'))) {
            t.equal((await curl(distant, urlOf(address, '/x'))).status, 200)
          }
        })
      })
    }

    t.test("Docker's own rules are still what they were", async (t) => {
      t.equal(rulesOf(node), rulesBefore)
      await engine.run('one-more', { network: 'web', args: ['-p', '8082:80'] })
      await engine.docker('rm', '-f', 'one-more')
      t.equal(rulesOf(node), rulesBefore, 'also after it has changed them')
    })

    t.test(
      'as Docker 28 filters: L7 ports are closed, all else goes on; with weir0 trusted all goes on',
      async (t) => {
        const rule = (action: string, ...rest: string[]): string =>
          node.execSync(['iptables', '-t', 'raw', action, 'PREROUTING', '-d', serverAddresses.v4, ...rest])
        const bridge = bridgeOf(await engine.docker('network', 'inspect', '-f', '{{.Id}}', 'web'))
        rule('-A', '!', '-i', bridge, '-j', 'DROP')
        const url = urlOf(serverAddresses.v4, '/public/a')
        t.equal((await curl(client, url, { connectTimeoutMs: SHORT_MS })).exitCode, CURL_TIMED_OUT)
        t.equal(await tryDial(client, { host: serverAddresses.v4, port: 8081 }), 'refused', 'L4 alone')
        rule('-I', '-i', 'weir0', '-j', 'ACCEPT')
        t.equal((await curl(client, url)).status, 200)
        t.equal((await curl(remote, urlOf(uplinkAddresses()[0] ?? '', '/published', PUBLISHED))).status, 200)
        rule('-D', '-i', 'weir0', '-j', 'ACCEPT')
        rule('-D', '!', '-i', bridge, '-j', 'DROP')
      },
    )

    async function addressOf(name: string): Promise<string> {
      return (await engine.addressesOf(name, 'web')).v4
    }
  })
}

/** Name of the device. */
function bridgeOf(network: string): string {
  return `br-${network.slice(0, 12)}`
}

/** Without counters, which packets change. */
function rulesOf(node: Namespace): string {
  return ['iptables-save', 'ip6tables-save']
    .map((command) => node.execSync([command]))
    .join('')
    .replace(/^#.*\n/gm, '')
    .replace(/\[\d+:\d+\]/g, '')
}
