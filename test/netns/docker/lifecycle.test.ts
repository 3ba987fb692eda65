// Containers that come, go, move and are renamed; an engine that is away; events that are lost.
import net from 'node:net'
import { join } from 'node:path'
import t from 'tap'
import { DockerEngine, IMAGE } from '../../helpers/docker-engine.ts'
import { endpointNamed, endpointWhen, startWeir } from '../../helpers/docker-weir.ts'
import { fromPods, onTcp } from '../../helpers/network-policy.ts'
import { NodeNamespace } from '../../helpers/node-namespace.ts'
import { Observer, statusOf } from '../../helpers/observed.ts'
import { canRunPrivileged } from '../../helpers/privileges.ts'
import { listenAndEcho, tryDial } from '../../helpers/tcp.ts'
import { waitFor } from '../../helpers/wait.ts'

const PORT = 8080
const SHORT_MS = 300
const LONG_MS = 5_000
/** A re-list comes every 10 s. */
const RELISTED_MS = 30_000
const POLICIES = {
  'server.yaml': {
    apiVersion: 'cilium.io/v2',
    kind: 'CiliumNetworkPolicy',
    metadata: { name: 'server' },
    spec: {
      endpointSelector: {
        matchLabels: { 'com.docker.compose.project': 'shop', 'com.docker.compose.service': 'server' },
      },
      ingress: [{ ...fromPods('friend'), ...onTcp(PORT) }],
    },
  },
  'kubernetes.yaml': {
    apiVersion: 'networking.k8s.io/v1',
    kind: 'NetworkPolicy',
    metadata: { name: 'closed', namespace: 'default' },
    spec: { podSelector: { matchLabels: { app: 'closed' } }, policyTypes: ['Ingress'] },
  },
}
const SERVER_LABELS = {
  'com.docker.compose.project': 'shop',
  'com.docker.compose.service': 'server',
  'com.docker.compose.config-hash': 'a'.repeat(64),
}

if (canRunPrivileged(t)) {
  t.test('lifecycle', async (t) => {
    const node = NodeNamespace.forTest(t)
    const engine = await DockerEngine.start(t, node, ['--live-restore'])
    await engine.addNetwork('web', 1)
    await engine.addNetwork('back', 2)
    let server = await engine.run('server', { network: 'web', labels: SERVER_LABELS })
    let echo = await listenAndEcho(server, PORT)
    t.teardown(() => echo.close())
    const weir = await startWeir(t, engine, { policies: POLICIES })
    const friend = await engine.run('friend', { network: 'web', labels: { app: 'friend' } })
    const stranger = await engine.run('stranger', {
      network: 'web',
      labels: { app: 'stranger', 'no/label/key': 'x', described: 'two words' },
    })
    const reach = async (network = 'web'): Promise<string[]> => {
      const { v4, v6 } = await engine.addressesOf('server', network)
      const dials = [v4, v6].flatMap((host) => [
        tryDial(friend, { host, port: PORT }, LONG_MS),
        ...(network === 'web' ? [tryDial(stranger, { host, port: PORT }, SHORT_MS)] : []),
      ])
      return Promise.all(dials)
    }
    const policed = ['connected', 'timeout', 'connected', 'timeout']
    await endpointWhen(weir, 'stranger', (endpoint) => endpoint?.state === 'ready')

    t.test('what was there, and what came: name, labels, addresses, device, id', async (t) => {
      t.same(await reach(), policed)
      const { v4, v6 } = await engine.addressesOf('server', 'web')
      t.match(await endpointNamed(weir, 'server'), {
        namespace: 'default',
        containerId: server.id,
        addresses: [v4, v6],
        ingress: 'enforced',
        egress: 'open',
        labels: [
          'k8s:com.docker.compose.project=shop',
          'k8s:com.docker.compose.service=server',
          'k8s:io.kubernetes.pod.namespace=default',
        ],
        message: '',
      })
      const { message = '', labels } = (await endpointNamed(weir, 'stranger')) ?? {}
      t.match(
        message,
        /^label "described" is left out: of its value: .*; label "no\/label\/key" is left out: /,
      )
      t.same(labels, ['k8s:app=stranger', 'k8s:io.kubernetes.pod.namespace=default'])
    })

    t.test("Kubernetes' own policies select containers, too", async (t) => {
      const closed = await engine.run('closed', { network: 'web', labels: { app: 'closed' } })
      const listener = await listenAndEcho(closed, PORT)
      t.teardown(() => listener.close())
      await endpointWhen(weir, 'closed', (endpoint) => endpoint?.state === 'ready')
      const { v4 } = await engine.addressesOf('closed', 'web')
      t.equal(await tryDial(friend, { host: v4, port: PORT }, SHORT_MS), 'timeout')
    })

    t.test('renamed: the same endpoint by another name, also in records', async (t) => {
      const before = await endpointNamed(weir, 'stranger')
      await engine.docker('rename', 'stranger', 'alien')
      const after = await endpointWhen(weir, 'alien', (endpoint) => endpoint?.state === 'ready')
      t.match(after, { id: before?.id, identity: before?.identity, devices: before?.devices })
      t.equal(await endpointNamed(weir, 'stranger'), undefined)
      const { v4 } = await engine.addressesOf('server', 'web')
      t.equal(await tryDial(stranger, { host: v4, port: PORT }, SHORT_MS), 'timeout')
      const observer = new Observer(weir)
      const isRenamed = (): boolean =>
        observer
          .matching({ to: v4, reason: 'POLICY_DENIED' })
          .some(({ source, destination }) => source.pod_name === 'alien' && destination.pod_name === 'server')
      await waitFor(isRenamed, { what: 'a record with the new name', timeoutMs: 20_000 })
    })

    t.test('connected to another network, and disconnected', async (t) => {
      await engine.docker('network', 'connect', 'back', 'server')
      await engine.docker('network', 'connect', 'back', 'friend')
      for (const name of ['server', 'friend']) {
        await endpointWhen(weir, name, (one) => one?.state === 'ready' && one.devices.length === 2)
      }
      t.same(await reach('back'), ['connected', 'connected'])
      t.same(await reach(), policed)
      await engine.docker('network', 'disconnect', 'web', 'friend')
      await endpointWhen(weir, 'friend', (one) => one?.state === 'ready' && one.devices.length === 1)
      await engine.docker('network', 'connect', 'web', 'friend')
      await endpointWhen(weir, 'friend', (one) => one?.state === 'ready' && one.devices.length === 2)
      t.same(await reach(), policed)
    })

    t.test('stopped, and started again', async (t) => {
      await engine.docker('stop', '-t', '0', 'server')
      await endpointWhen(weir, 'server', (endpoint) => endpoint === undefined)
      await engine.docker('start', 'server')
      echo.close()
      server = await engine.container('server')
      echo = await listenAndEcho(server, PORT)
      await endpointWhen(weir, 'server', (endpoint) => endpoint?.state === 'ready')
      t.same(await reach(), policed)
    })

    t.test('not enforceable: host, none, the network of another container', async (t) => {
      for (const network of ['host', 'none', 'container:friend']) {
        await engine.docker(
          'run',
          '-d',
          '--name',
          `at-${network.split(':')[0]}`,
          '--network',
          network,
          IMAGE,
          'sleep',
          '60',
        )
      }
      for (const [name, message] of [
        ['at-host', /network of the host/],
        ['at-none', /has no network/],
        ['at-container', /shares the network of container friend, whose policy holds/],
      ] as const) {
        const endpoint = await endpointWhen(weir, name, (one) => one !== undefined)
        t.match(endpoint, { id: 0, state: 'not-enforceable', message })
      }
      const { stdout } = await weir.cli(['endpoint', 'list'])
      t.match(stdout.toString(), / - +default\/at-host +- +open +open +not-enforceable/)
      t.equal((await statusOf(weir)).endpointsReady, (await statusOf(weir)).endpointsTotal)
    })

    t.test('the engine is killed: containers live on under their policies, and it comes back', async (t) => {
      const { v4, v6 } = await engine.addressesOf('server', 'web')
      engine.kill()
      await waitFor(async () => (await statusOf(weir)).docker?.state === 'stale', {
        what: 'the status to say that the engine is away',
        timeoutMs: RELISTED_MS,
      })
      t.match((await statusOf(weir)).problems.join('\n'), /endpoints from Docker are stale: .*docker\.sock/)
      for (const host of [v4, v6]) {
        t.equal(await tryDial(friend, { host, port: PORT }, LONG_MS), 'connected')
        t.equal(await tryDial(stranger, { host, port: PORT }, SHORT_MS), 'timeout')
      }
      t.equal((await endpointNamed(weir, 'server'))?.state, 'ready')

      await engine.start()
      await waitFor(async () => (await statusOf(weir)).docker?.state === 'ok', {
        what: 'the engine to be back',
        timeoutMs: RELISTED_MS,
      })
      t.same(await reach(), policed)
      const late = await engine.run('late', { network: 'web', labels: { app: 'friend' } })
      await endpointWhen(weir, 'late', (endpoint) => endpoint?.state === 'ready')
      t.equal(
        await tryDial(late, { host: (await engine.addressesOf('server', 'web')).v4, port: PORT }),
        'connected',
      )
    })

    t.test('events that are lost are made good by the next list', async (t) => {
      t.equal(await weir.stop(), 0)
      const deaf = await withoutEvents(t, engine.socket, join(node.workDir, 'deaf.sock'))
      const policies = join(node.workDir, 'policies')
      const again = await startWeir(t, engine, {
        command: ['run', '--docker', deaf, '--policies', policies, '--workers', '1'],
      })
      await endpointWhen(again, 'alien', (endpoint) => endpoint?.state === 'ready')
      await engine.docker('rename', 'alien', 'visitor')
      await waitFor(async () => (await endpointNamed(again, 'visitor'))?.state === 'ready', {
        what: 'the new name',
        timeoutMs: RELISTED_MS,
      })
    })
  })
}

/** A way to the engine on which its events get lost. @returns its socket */
async function withoutEvents(
  t: { teardown(handler: () => void): void },
  engine: string,
  socket: string,
): Promise<string> {
  const open = new Set<net.Socket>()
  const server = net.createServer((client) => {
    const upstream = net.connect(engine)
    for (const one of [client, upstream]) {
      open.add(one)
      one.on('error', () => undefined).on('close', () => one.destroy())
    }
    let isDeaf = false
    client.on('data', (data) => {
      if (/GET \S*\/events/.test(data.toString('latin1'))) isDeaf = true
      upstream.write(data)
    })
    upstream.on('data', (data) => {
      const text = data.toString('latin1')
      // The head of the answer must come: without it the stream has not begun.
      if (!isDeaf) client.write(data)
      else if (text.startsWith('HTTP/1.1'))
        client.write(text.slice(0, text.indexOf('\r\n\r\n') + 4), 'latin1')
    })
    client.on('close', () => upstream.destroy())
    upstream.on('close', () => client.destroy())
  })
  server.listen(socket)
  t.teardown(() => {
    server.close()
    for (const one of open) one.destroy()
  })
  return socket
}
