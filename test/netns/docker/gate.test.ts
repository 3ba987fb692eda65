// Ports of containers that the agent does not know are closed: while it is slow, and when it is dead.
import t from 'tap'
import { echoDatagrams, hearsEcho } from '../../helpers/datagram.ts'
import { type Container, DockerEngine } from '../../helpers/docker-engine.ts'
import { endpointWhen, startWeir } from '../../helpers/docker-weir.ts'
import { Namespace } from '../../helpers/namespace.ts'
import { fromPods, networkPolicy, onTcp } from '../../helpers/network-policy.ts'
import { NodeNamespace } from '../../helpers/node-namespace.ts'
import { dropsOf } from '../../helpers/observed.ts'
import { canRunPrivileged } from '../../helpers/privileges.ts'
import { listenAndEcho, tryDial } from '../../helpers/tcp.ts'
import { waitFor } from '../../helpers/wait.ts'
import { weirCli, type WeirProcess } from '../../helpers/weir-process.ts'

const PORT = 8080
const SHORT_MS = 300
const LONG_MS = 5_000
const POLICIES = {
  'server.yaml': networkPolicy('server', { ingress: [{ ...fromPods('friend'), ...onTcp(PORT) }] }),
}

if (canRunPrivileged(t)) {
  t.test('closed ports', async (t) => {
    const node = NodeNamespace.forTest(t)
    const engine = await DockerEngine.start(t, node)
    await engine.addNetwork('web', 1)
    const server = await engine.run('server', { network: 'web', labels: { app: 'server' } })
    const { v4 } = await engine.addressesOf('server', 'web')
    const weir = await startWeir(t, engine, { policies: POLICIES })
    const echo = await listenAndEcho(server, PORT)
    t.teardown(() => echo.close())
    const reach = (from: Namespace, host = v4): Promise<string> =>
      tryDial(from, { host, port: PORT }, SHORT_MS)

    t.test('the agent does not get round to it: all that is new waits', async (t) => {
      await paused(weir, async () => {
        const friend = await engine.run('friend', { network: 'web', labels: { app: 'friend' } })
        t.equal(await reach(friend), 'timeout')
        t.equal(echo.connections.length, 0)

        // On a network that the agent has never heard of; no policy selects the second.
        await engine.addNetwork('unheard', 2)
        const a = await engine.run('new-a', { network: 'unheard', labels: { app: 'server' } })
        const b = await engine.run('new-b', { network: 'unheard' })
        const address = await engine.addressesOf('new-a', 'unheard')
        const visitors = await listenForVisitors(a)
        for (const host of [address.v4, address.v6]) {
          for (const sender of [b, node]) {
            t.notOk(await hearsEcho(sender, { host, port: PORT }, SHORT_MS))
            t.equal(await reach(sender, host), 'timeout', host)
          }
        }
        t.equal(visitors.count(), 0, 'nothing came in')
        visitors.close()
      })
      await endpointWhen(weir, 'new-b', (endpoint) => endpoint?.state === 'ready')
      const [friend, a, b] = await Promise.all(
        ['friend', 'new-a', 'new-b'].map((name) => engine.container(name)),
      )
      t.equal(await tryDial(friend!, { host: v4, port: PORT }, LONG_MS), 'connected')
      const listener = await listenAndEcho(b!, PORT)
      t.teardown(() => listener.close())
      const open = await engine.addressesOf('new-b', 'unheard')
      t.equal(await tryDial(a!, { host: open.v6, port: PORT }, LONG_MS), 'connected')
      t.equal(
        await tryDial(node, { host: open.v4, port: PORT }, LONG_MS),
        'connected',
        'no policy selects it: open',
      )
      for (const direction of ['ingress', 'egress'] as const)
        t.ok((await dropsOf(weir, 'UNKNOWN_PORT', direction)) > 0, `counted, ${direction}`)
    })

    t.test('ports of other bridges are left alone, once it was seen whose they are', async (t) => {
      const a = addForeignPod(t, node, 'a', '10.9.0.1')
      const b = addForeignPod(t, node, 'b', '10.9.0.2')
      const listener = await listenAndEcho(b, PORT)
      t.teardown(() => listener.close())
      await waitFor(async () => (await reach(a, '10.9.0.2')) === 'connected', {
        what: 'other bridges to work',
      })
      await paused(weir, async () => {
        t.equal(await tryDial(a, { host: '10.9.0.2', port: PORT }, LONG_MS), 'connected')
      })
    })

    t.test('rules that somebody flushed come back', async () => {
      node.execSync(['nft', 'delete', 'table', 'bridge', 'weir'])
      const isThere = (): boolean => node.execSync(['nft', 'list', 'tables']).includes('bridge weir')
      await waitFor(isThere, { what: 'the rules to come back', timeoutMs: 15_000 })
    })

    t.test('the agent is dead: what it knew goes on, what is new waits', async (t) => {
      await weir.kill9('run')
      t.equal(await tryDial(await engine.container('friend'), { host: v4, port: PORT }, LONG_MS), 'connected')
      const late = await engine.run('late', { network: 'web', labels: { app: 'friend' } })
      const stranger = await engine.run('stranger', { network: 'web' })
      t.equal(await reach(late), 'timeout')
      t.equal(await reach(stranger), 'timeout')

      const again = await startWeir(t, engine)
      await endpointWhen(again, 'late', (endpoint) => endpoint?.state === 'ready')
      t.equal(await tryDial(late, { host: v4, port: PORT }, LONG_MS), 'connected')
      t.equal(await reach(stranger), 'timeout')
      await again.kill9()
    })

    t.test('cleanup opens everything', async (t) => {
      await weirCli(node, ['cleanup'])
      t.notMatch(node.execSync(['nft', 'list', 'ruleset']), /weir/)
      t.notMatch(node.execSync(['ip', '-d', 'link']), /group 30565/)
      t.equal(
        await tryDial(await engine.container('stranger'), { host: v4, port: PORT }, LONG_MS),
        'connected',
      )
    })
  })
}

/** Over TCP and UDP. */
async function listenForVisitors(container: Container): Promise<{ count(): number; close(): void }> {
  let datagrams = 0
  const inbox = echoDatagrams(container, PORT).on('message', () => datagrams++)
  const echo = await listenAndEcho(container, PORT)
  return {
    count: () => datagrams + echo.connections.length,
    close() {
      inbox.close()
      echo.close()
    },
  }
}

/** Run `action` while the agent does not run on. */
async function paused(weir: WeirProcess, action: () => Promise<unknown>): Promise<void> {
  process.kill(weir.pid, 'SIGSTOP')
  try {
    await action()
  } finally {
    process.kill(weir.pid, 'SIGCONT')
  }
}

/** On a bridge that no container engine made, with a port named as container engines name theirs. */
function addForeignPod(
  t: { teardown(handler: () => void): void },
  node: NodeNamespace,
  name: string,
  address: string,
): Namespace {
  const pod = new Namespace(`${node.name}-${name}`)
  pod.create()
  t.teardown(() => pod.destroy())
  if (!node.execSync(['ip', '-br', 'link']).includes('foreign0')) {
    node.ip('link add foreign0 type bridge', 'link set foreign0 up')
  }
  node.ip(
    `link add veth${name} type veth peer name eth0 netns ${pod.name}`,
    `link set veth${name} master foreign0 up`,
  )
  pod.ip('link set lo up', 'link set eth0 up', `address add ${address}/24 dev eth0`)
  return pod
}
