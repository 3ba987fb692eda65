// What is wrong with files, machine or traffic: said clearly, with place and mend, and never a hole in the gate.
import { mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import t, { type Test } from 'tap'
import { inForce, startCluster } from '../helpers/cluster.ts'
import { type CommandResult } from '../helpers/command.ts'
import { curl } from '../helpers/curl.ts'
import { startHttpServer } from '../helpers/http-server.ts'
import { fromPods, networkPolicy, onHttp, onKafka, onTcp, type Rule } from '../helpers/network-policy.ts'
import { addressesOf, NodeNamespace, urlOf } from '../helpers/node-namespace.ts'
import { dropsOf, statusOf } from '../helpers/observed.ts'
import { canRunPrivileged } from '../helpers/privileges.ts'
import { listenAndEcho, tryDial } from '../helpers/tcp.ts'
import { endpointOf, MAIN, tellsOfDevice, WeirProcess } from '../helpers/weir-process.ts'
import { waitFor } from '../helpers/wait.ts'

const SHORT_MS = 200
const [WEB, ECHO] = [80, 7] as const
const GOOD = networkPolicy('server', {
  ingress: [{ ...fromPods('client'), ...onHttp(WEB, { path: '/ok' }) }],
})
const OTHER = networkPolicy('second', { ingress: [{ ...fromPods('client'), ...onTcp(ECHO) }] })

/** What replaces GOOD in its file, and what must be said about it: where in the file, and what. */
const BROKEN: readonly (readonly [what: string, text: string, error: RegExp])[] = [
  ['broken YAML', 'apiVersion: cilium.io/v2\nkind: [', /server\.yaml:2:\d+: /],
  [
    'an unknown field',
    policyText('      - fromEndpoint: []'),
    /server\.yaml:8:\d+: .*spec\.ingress\[0\]\.fromEndpoint.*fromEndpoints/s,
  ],
  [
    'a field that is not supported',
    policyText('      - fromGroups: [{aws: {region: eu-west-1}}]'),
    /server\.yaml:8:\d+: .*spec\.ingress\[0\]\.fromGroups/s,
  ],
  [
    'a wrong port',
    policyText('      - toPorts: [{ports: [{port: "99999", protocol: TCP}]}]'),
    /server\.yaml:8:\d+: .*spec\.ingress\[0\]\.toPorts\[0\]\.ports\[0\]\.port.*99999/s,
  ],
  [
    'a bad regular expression',
    policyText('      - toPorts: [{ports: [{port: "80"}], rules: {http: [{path: "/(a"}]}}]'),
    /server\.yaml:8:\d+: .*rules\.http\[0\]\.path/s,
  ],
]

function policyText(rule: string): string {
  return `apiVersion: cilium.io/v2
kind: CiliumNetworkPolicy
metadata:
  name: server-policy
spec:
  endpointSelector: { matchLabels: { app: server } }
  ingress:
${rule}
`
}

if (canRunPrivileged(t)) {
  t.test('input that is wrong while Weir runs', async (t) => {
    const { node, weir, pods, endpoints } = await startCluster(t, {
      pods: ['client', 'server', 'second'],
      policies: { 'server.yaml': GOOD, 'second.yaml': OTHER },
    })
    const { client, server, second } = pods
    const site = await startHttpServer(server, { port: WEB })
    const echo = await listenAndEcho(second, ECHO)
    t.teardown(() => [site, echo].forEach((listening) => listening.close()))

    const isEnforced = async (t: Test): Promise<void> => {
      t.equal((await curl(client, urlOf(server.v4, '/ok'))).status, 200, 'allowed as before')
      t.equal((await curl(client, urlOf(server.v6, '/no'))).status, 403, 'denied as before')
      t.equal(await tryDial(server, { host: second.v4, port: ECHO }, SHORT_MS), 'timeout')
      t.equal(await tryDial(client, { host: second.v4, port: ECHO }), 'connected')
    }

    for (const [what, text, error] of BROKEN) {
      t.test(`${what}: the last good version stays, and status says what is wrong where`, async (t) => {
        await inForce(weir, () => weir.writePolicy('server.yaml', text))
        const { policies, problems } = await statusOf(weir)
        const stale = policies.find(({ name }) => name === 'default/server-policy')
        t.match(stale, { state: 'stale', error })
        t.match(
          policies.find(({ name }) => name === 'default/second-policy'),
          { state: 'ok' },
        )
        t.ok(problems.some((problem) => problem.includes('server-policy is stale')))
        const table = (await weir.cli(['status'])).stdout.toString()
        t.match(table, /default\/server-policy +stale +\S+server\.yaml/)
        await isEnforced(t)
      })
    }

    t.test('rules for HTTP and Kafka that meet deny, and status says which', async (t) => {
      await inForce(weir, () => weir.writePolicy('server.yaml', GOOD))
      const kafka = networkPolicy('server', {
        ingress: [{ ...fromPods('client'), ...onKafka(WEB, { topic: 'empire' }) }],
      })
      await inForce(weir, () =>
        weir.writePolicy('kafka.yaml', { ...kafka, metadata: { name: 'orders', namespace: 'default' } }),
      )
      t.equal((await curl(client, urlOf(server.v4, '/ok'))).status, 0, 'denied')
      t.strictSame((await statusOf(weir)).problems, [
        'endpoint default/server, ingress, port 80: PROTOCOL_CONFLICT: rules for HTTP (default/server-policy ingress[0]) ' +
          'and for Kafka (default/orders ingress[0]) apply to the same peers, which are denied; ' +
          'give the protocols different ports or peers',
      ])
      await inForce(weir, () => weir.removePolicy('kafka.yaml'))
      t.strictSame((await statusOf(weir)).problems, [])
      await isEnforced(t)
    })

    t.test('policies in a subfolder are not read: told once in the log, and by status', async (t) => {
      const sub = join(weir.policiesDir, 'team-a')
      const text = `policies folder ${weir.policiesDir}: the subfolder "team-a" holds "deep/p.yaml", and subfolders are not read; `
      const problems = async (): Promise<string[]> => (await statusOf(weir)).problems
      mkdirSync(join(sub, 'deep'), { recursive: true })
      writeFileSync(join(sub, 'notes.txt'), '')
      writeFileSync(join(sub, 'deep', 'p.yaml'), JSON.stringify(GOOD))
      await waitFor(async () => (await problems()).some((problem) => problem.startsWith(text)), {
        what: 'status to name the subfolder',
      })
      await inForce(weir, () => weir.writePolicy('server.yaml', GOOD))
      await inForce(weir, () => weir.writePolicy('second.yaml', `# changed\n${JSON.stringify(OTHER)}`))
      const told = weir.log.filter(({ msg }) => msg === 'policies not read')
      t.equal(told.length, 1)
      t.match(told[0], { level: 40, code: 'POLICY_NOT_READ' })
      t.ok(String(told[0]?.['error']).startsWith(text))
      await isEnforced(t)
      rmSync(sub, { recursive: true })
      await waitFor(async () => (await problems()).length === 0, { what: 'status to forget it' })
    })

    t.test(
      'a file that never was good is rejected, others stay in force, and mending it helps',
      async (t) => {
        await inForce(weir, () => weir.writePolicy('server.yaml', GOOD))
        await inForce(weir, () => weir.writePolicy('new.yaml', BROKEN[1]![1].replace('server-policy', 'new')))
        t.match(
          (await statusOf(weir)).policies.find(({ file }) => file.endsWith('new.yaml')),
          {
            state: 'rejected',
            error: /new\.yaml:8:/,
          },
        )
        await isEnforced(t)
        await inForce(weir, () => weir.removePolicy('new.yaml'))
        t.strictSame((await statusOf(weir)).problems, [])
      },
    )

    t.test('endpoints that contradict each other: the last good list stays', async (t) => {
      const third = { ...endpoints[0]!, name: 'third', device: 'lxc-third', addresses: ['10.244.0.250'] }
      for (const [what, list, error] of [
        ['a name', [...endpoints, { ...third, name: 'client' }], /endpoints\.yaml:\d+:\d+: .*client/s],
        ['an address', [...endpoints, { ...third, addresses: [client.v4] }], new RegExp(client.v4)],
        ['a device', [...endpoints, { ...third, device: client.device }], new RegExp(client.device)],
      ] as const) {
        const reports = (): number => weir.log.filter(({ msg }) => msg === 'policy in force').length
        const before = reports()
        weir.writeEndpoints(list)
        await waitFor(() => reports() > before, { what: 'the file to be read' })
        const { endpointsFile, endpointsTotal, problems } = await statusOf(weir)
        t.match(endpointsFile, { state: 'stale', error }, `${what} twice`)
        t.match(problems, [/^endpoints file is stale/])
        t.equal(endpointsTotal, endpoints.length)
        await isEnforced(t)
      }
      await inForce(weir, () => weir.writeEndpoints(endpoints))
      t.strictSame((await statusOf(weir)).problems, [])
    })

    t.test('a device that is missing is waited for, which status says', async (t) => {
      const late = { ...endpointOf(pods.second, { app: 'second' }), name: 'late', device: 'lxc-late' }
      await inForce(weir, () => weir.writeEndpoints([...endpoints, { ...late, addresses: ['10.244.0.251'] }]))
      const { problems, endpointsReady, endpointsTotal } = await statusOf(weir)
      t.match(problems, [/^endpoint default\/late is waiting-for-device: .*lxc-late.*as soon as/])
      t.equal(endpointsTotal - endpointsReady, 1)
      node.addPod({ name: 'late', v4: '10.244.0.251', v6: 'fd00:244::251' })
      await weir.waitForLog(tellsOfDevice('endpoint attached', 'lxc-late'), {
        what: 'that the endpoint is attached',
      })
      t.strictSame((await statusOf(weir)).problems, [])
      await inForce(weir, () => weir.writeEndpoints(endpoints))
    })
  })

  t.test('a full policy map closes its endpoint and no other', async (t) => {
    const entries = 16
    const ports = (count: number): Rule =>
      onTcp(ECHO, ...Array.from({ length: count }, (_, i) => 1001 + 2 * i))
    const { weir, pods } = await startCluster(t, {
      pods: ['client', 'server', 'second'],
      policies: {
        'server.yaml': networkPolicy('server', { ingress: [{ ...fromPods('client'), ...ports(2) }] }),
        'second.yaml': OTHER,
      },
      args: () => ['--policy-map-entries', String(entries)],
    })
    const { client, server, second } = pods
    for (const pod of [server, second]) {
      const echo = await listenAndEcho(pod, ECHO)
      t.teardown(() => echo.close())
    }
    const reach = (host: string): Promise<string> => tryDial(client, { host, port: ECHO }, SHORT_MS)
    for (const host of addressesOf(server)) t.equal(await reach(host), 'connected', host)

    const tooMany = networkPolicy('server', { ingress: [{ ...fromPods('client'), ...ports(entries + 5) }] })
    await inForce(weir, () => weir.writePolicy('server.yaml', tooMany))
    for (const host of addressesOf(server)) t.equal(await reach(host), 'timeout', `closed, ${host}`)
    for (const host of addressesOf(second)) t.equal(await reach(host), 'connected', `open, ${host}`)
    t.match((await statusOf(weir)).problems, [
      /^endpoint default\/server is locked: .*needs 23 entries, the limit is 16.*--policy-map-entries/,
    ])
    t.ok((await dropsOf(weir, 'POLICY_DENIED', 'ingress')) > 0)

    await inForce(weir, () => weir.writePolicy('server.yaml', GOOD))
    t.strictSame((await statusOf(weir)).problems, [], 'a smaller policy opens it again')
    await inForce(weir, () =>
      weir.writePolicy(
        'server.yaml',
        networkPolicy('server', { ingress: [{ ...fromPods('client'), ...ports(2) }] }),
      ),
    )
    for (const host of addressesOf(server)) t.equal(await reach(host), 'connected')
  })

  t.test('a machine that lacks something', async (t) => {
    const node = NodeNamespace.forTest(t)
    const pod = node.addPod({ name: 'pod', v4: '10.244.9.1', v6: 'fd00:244:9::1' })
    const files = ['--endpoints', join(node.workDir, 'endpoints.yaml'), '--policies', node.workDir]
    writeFileSync(files[1]!, JSON.stringify([endpointOf(pod, { app: 'pod' })]))
    const command = [process.execPath, MAIN, 'run', ...files, '--state-dir', node.stateDir]
    const run = (wrapper: readonly string[], wrapped = command): Promise<CommandResult> =>
      node.exec([...wrapper, ...wrapped], { check: false })

    t.test('root', async (t) => {
      const { code, stderr } = await run(['setpriv', '--reuid=65534', '--clear-groups'])
      t.equal(code, 1)
      t.match(stderr, /^weir: NOT_PRIVILEGED: .*65534.*sudo/m)
    })

    t.test('a capability', async (t) => {
      const { code, stderr } = await run(['setpriv', '--bounding-set=-all', '--inh-caps=-all'])
      t.equal(code, 1)
      t.match(stderr, /^weir: NOT_PRIVILEGED: .*CAP_NET_ADMIN and CAP_BPF/m)
    })

    t.test('libbpf', async (t) => {
      const hide = hiding('libbpf.so.1')
      const { code, stderr } = await run(['unshare', '--mount', 'sh', '-c', `${hide} exec "$@"`, 'sh'])
      t.equal(code, 1)
      t.match(stderr, /^weir: KERNEL_UNSUPPORTED: .*libbpf\.so\.1.*libbpf1/m)
    })

    t.test('iproute2', async (t) => {
      const { code, stderr } = await run(['env', 'PATH=/nonexistent'])
      t.equal(code, 1)
      t.match(stderr, /^weir: KERNEL_UNSUPPORTED: .*iproute2/m)
    })

    t.test('nothing is left by all that', (t) => {
      t.notMatch(node.execSync(['tc', 'qdisc', 'show']), 'clsact')
      t.notMatch(node.execSync(['ip', 'link', 'show']), /weir[01]/)
      t.end()
    })

    t.test('bpffs, which Weir mounts', async (t) => {
      const unmounted = ['unshare', '--mount', 'sh', '-c', 'umount -l /sys/fs/bpf; exec "$@"', 'sh']
      const weir = await WeirProcess.start(node, { wrapper: unmounted })
      const mounts = readFileSync(`/proc/${weir.pid}/mounts`, 'utf8')
      t.match(mounts, / \/sys\/fs\/bpf bpf /)
      t.match(node.execSync(['tc', 'filter', 'show', 'dev', pod.device, 'ingress']), 'weir_from_endp')
      t.equal(await weir.stop(), 0)
      const removed = await run(unmounted, [process.execPath, MAIN, 'cleanup', '--state-dir', node.stateDir])
      t.equal(removed.code, 0)
    })
  })
}

/** Shell text that hides a shared library from what runs after it in the same mount namespace. */
function hiding(library: string): string {
  return `for file in $(ldconfig -p | sed -n 's|.*${library}.* => ||p'); do mount --bind /dev/null "$file"; done;`
}
