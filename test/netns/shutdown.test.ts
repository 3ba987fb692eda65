// Stopping, cleaning up and starting again: what stays, what goes, and that nothing of others is touched.
import { rmSync } from 'node:fs'
import t from 'tap'
import { startCluster } from '../helpers/cluster.ts'
import { curl, CURL_TIMED_OUT } from '../helpers/curl.ts'
import { startHttpServer } from '../helpers/http-server.ts'
import { bpfObjects, filtersOf, livingBpfObjects, machineState } from '../helpers/machine-state.ts'
import { fromPods, networkPolicy, onHttp, onTcp } from '../helpers/network-policy.ts'
import { addressesOf, NodeNamespace, urlOf } from '../helpers/node-namespace.ts'
import { statusOf } from '../helpers/observed.ts'
import { atPaceOf } from '../helpers/pace.ts'
import { canRunPrivileged } from '../helpers/privileges.ts'
import { listenAndEcho, tryDial } from '../helpers/tcp.ts'
import { endpointOf, MAIN, weirCli, WeirProcess } from '../helpers/weir-process.ts'
import { waitFor } from '../helpers/wait.ts'

const SHORT_MS = 200
const STOP_MS = 1000
const [WEB, ECHO] = [80, 7] as const
/** Matches nothing: the packet goes on to the next filter. */
const FOREIGN_FILTER = ['protocol', 'all', 'bpf', 'bytecode', '1,6 0 0 0,', 'flowid', '1:1']

const POLICY = networkPolicy('server', {
  ingress: [
    { ...fromPods('client'), ...onHttp(WEB, { path: '/ok' }) },
    { ...fromPods('client'), ...onTcp(ECHO) },
  ],
})

if (canRunPrivileged(t)) {
  t.test('SIGTERM', async (t) => {
    const { weir, node, pods } = await startCluster(t, {
      pods: ['client', 'server'],
      policies: { 'server.yaml': POLICY },
    })
    const { client, server } = pods
    const site = await startHttpServer(server, { port: WEB })
    const echo = await listenAndEcho(server, ECHO)
    t.teardown(() => [site, echo].forEach((listening) => listening.close()))
    t.equal((await curl(client, urlOf(server.v4, '/ok'))).status, 200)

    const limitMs = await atPaceOf(STOP_MS)
    const startMs = performance.now()
    t.equal(await weir.stop(), 0, 'exit code')
    const stopMs = performance.now() - startMs
    t.ok(stopMs < limitMs, `it stops within ${Math.round(limitMs)} ms: ${Math.round(stopMs)}`)
    t.match(
      weir.logText(),
      /Enforcement stays in the kernel.*closed until a proxy is back/,
      'it says what stays',
    )
    t.strictSame(weir.processes(), [], 'no process is left')
    for (const host of addressesOf(server)) {
      const attempt = await curl(client, urlOf(host, '/ok'), { connectTimeoutMs: SHORT_MS })
      t.equal(attempt.exitCode, CURL_TIMED_OUT, `a port under L7 policy is closed, ${host}`)
      t.equal(await tryDial(client, { host, port: ECHO }), 'connected', 'L4 is still allowed')
      t.equal(await tryDial(client, { host, port: 9 }, SHORT_MS), 'timeout', 'and still denied')
      t.equal(await tryDial(node, { host, port: ECHO }, SHORT_MS), 'timeout', 'also to the host')
    }

    await WeirProcess.start(node, {})
    t.equal((await curl(client, urlOf(server.v6, '/ok'))).status, 200, 'a new start opens the port')
  })

  t.test('SIGTERM while it starts', async (t) => {
    const { weir } = await startCluster(t, { pods: ['client'], waitReady: false, policies: {} })
    await weir.waitForLog(({ msg }) => msg === 'worker started', { what: 'a worker' })
    const limitMs = await atPaceOf(STOP_MS)
    const startMs = performance.now()
    t.equal(await weir.stop(), 0)
    const stopMs = performance.now() - startMs
    t.ok(stopMs < limitMs, `within ${Math.round(limitMs)} ms: ${Math.round(stopMs)}`)
    t.strictSame(weir.processes(), [])
  })

  t.test('cleanup takes away all that is of Weir and nothing else', async (t) => {
    const node = NodeNamespace.forTest(t)
    const client = node.addPod({ name: 'client', v4: '10.244.9.1', v6: 'fd00:244:9::1' })
    const server = node.addPod({ name: 'server', v4: '10.244.9.2', v6: 'fd00:244:9::2' })
    addThingsOfOthers(node, client.device)
    const before = machineState(node)

    for (const how of ['after SIGTERM', 'after kill -9']) {
      const weir = await WeirProcess.start(node, {
        endpoints: [client, server].map((pod) => endpointOf(pod, { app: pod.podName })),
        policies: { 'server.yaml': POLICY },
      })
      const objects = bpfObjects(node)
      t.ok(objects.programs.length >= 5 && objects.maps.length >= 10, 'there is something to remove')
      t.not(machineState(node)['filters'], before['filters'])
      if (how === 'after SIGTERM') await weir.stop()
      else await weir.kill9('run')
      const { stdout } = await weirCli(node, ['cleanup'])
      t.match(stdout.toString(), /nothing of Weir is left/, how)
      const after = machineState(node)
      for (const what of Object.keys(before)) t.equal(after[what], before[what], `${what} ${how}`)
      await waitFor(() => isNone(livingBpfObjects(objects)), {
        what: 'programs and maps to leave the kernel',
      })
    }
    await weirCli(node, ['cleanup'])
    t.strictSame(machineState(node), before, 'a second cleanup is harmless')
  })

  t.test('a filter that others put on our device later stays', async (t) => {
    const { weir, node, pods } = await startCluster(t, { pods: ['client'] })
    const { device } = pods.client
    node.execSync(['tc', 'filter', 'add', 'dev', device, 'egress', 'pref', '9', ...FOREIGN_FILTER])
    await weir.stop()
    await weirCli(node, ['cleanup'])
    const left = filtersOf(node)
    t.match(left, /pref 9 .*bytecode/)
    t.notMatch(left, /weir_/)
  })

  t.test('a second instance and a cleanup are refused while the first one runs', async (t) => {
    const { weir, node, pods } = await startCluster(t, {
      pods: ['client', 'server'],
      policies: { 'server.yaml': POLICY },
    })
    const site = await startHttpServer(pods.server, { port: WEB })
    t.teardown(() => site.close())
    const before = machineState(node)
    const run = ['run', '--endpoints', weir.endpointsFile, '--policies', weir.policiesDir]
    for (const command of [run, ['cleanup']]) {
      const refused = await weir.cli(command, { check: false })
      t.equal(refused.code, 1)
      t.match(refused.stderr, `ALREADY_RUNNING: agent ${weir.pid} `, `${command[0]} names the pid`)
      t.match(refused.stderr, weir.node.stateDir)
    }
    const elsewhere = ['--state-dir', `${node.stateDir}-2`]
    t.teardown(() => rmSync(`${node.stateDir}-2`, { recursive: true, force: true }))
    for (const command of [run, ['cleanup']]) {
      const refused = await node.exec([process.execPath, MAIN, ...command, ...elsewhere], { check: false })
      t.equal(refused.code, 1)
      const holder = `ALREADY_RUNNING: agent ${weir.pid} with --state-dir ${node.stateDir} holds this network`
      t.match(refused.stderr, holder, `${command[0]} with another state directory, too`)
    }
    t.strictSame(machineState(node), before, 'and have changed nothing')
    t.equal((await curl(pods.client, urlOf(pods.server.v4, '/ok'))).status, 200)
  })

  t.test('a policy file that broke while Weir was down keeps its last good version', async (t) => {
    const { weir, node, pods } = await startCluster(t, {
      pods: ['client', 'server'],
      policies: { 'server.yaml': POLICY },
    })
    const site = await startHttpServer(pods.server, { port: WEB })
    t.teardown(() => site.close())
    await weir.stop()
    const again = await WeirProcess.start(node, { policies: { 'server.yaml': 'spec: [broken' } })
    const { policies, problems } = await statusOf(again)
    t.match(policies, [{ name: 'default/server-policy', state: 'stale', error: /server\.yaml/ }])
    t.match(problems, [/server-policy is stale/])
    t.equal((await curl(pods.client, urlOf(pods.server.v4, '/ok'))).status, 200)
    t.equal((await curl(pods.client, urlOf(pods.server.v4, '/no'))).status, 403)
    t.equal(await tryDial(pods.client, { host: pods.server.v6, port: 9 }, SHORT_MS), 'timeout')
  })

  t.test('agent and proxy as two commands, in either order', async (t) => {
    const node = NodeNamespace.forTest(t)
    const client = node.addPod({ name: 'client', v4: '10.244.9.1', v6: 'fd00:244:9::1' })
    const server = node.addPod({ name: 'server', v4: '10.244.9.2', v6: 'fd00:244:9::2' })
    const site = await startHttpServer(server, { port: WEB })
    t.teardown(() => site.close())
    const proxy = await WeirProcess.start(node, {
      command: ['proxy', '--slot', '0'],
      waitReady: false,
      endpoints: [client, server].map((pod) => endpointOf(pod, { app: pod.podName })),
      policies: { 'server.yaml': POLICY },
    })
    await proxy.waitForLog(({ msg }) => msg === 'waiting for the datapath', { what: 'that it waits' })
    const command = ['agent', '--endpoints', proxy.endpointsFile, '--policies', proxy.policiesDir]
    const agent = await WeirProcess.start(node, { command })
    await proxy.waitForLog(({ msg }) => msg === 'worker ready', { what: 'that it is ready' })
    t.equal((await curl(client, urlOf(server.v4, '/ok'))).status, 200)
    t.equal(await agent.stop(), 0)
    t.equal((await curl(client, urlOf(server.v4, '/no'))).status, 403, 'the proxy keeps its policy')
    t.equal(await proxy.stop(), 0)
  })
}

function addThingsOfOthers(node: NodeNamespace, device: string): void {
  node.execSync(['tc', 'qdisc', 'add', 'dev', device, 'clsact'])
  node.execSync(['tc', 'filter', 'add', 'dev', device, 'ingress', 'pref', '5', ...FOREIGN_FILTER])
  for (const family of ['-4', '-6']) {
    node.execSync(['ip', family, 'rule', 'add', 'pref', '100', 'fwmark', '0x200/0xf00', 'lookup', '100'])
    node.execSync(['ip', family, 'route', 'add', 'local', 'default', 'dev', 'lo', 'table', '100'])
  }
}

function isNone({ programs, maps }: ReturnType<typeof livingBpfObjects>): boolean {
  return programs.length === 0 && maps.length === 0
}
