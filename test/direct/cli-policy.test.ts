// The policy commands against an agent with real policies, over its socket; only the kernel is made up.
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Writable } from 'node:stream'
import t, { type Test } from 'tap'
import { agentHandlers } from '../../src/agent/agent-server.ts'
import { ControlServer } from '../../src/agent/control-server.ts'
import { parseEndpoints } from '../../src/agent/endpoints-document.ts'
import { EndpointRegistry } from '../../src/agent/endpoint-registry.ts'
import { FlowLog } from '../../src/agent/flow-log.ts'
import { Reconciler } from '../../src/agent/reconciler.ts'
import { startRpcServer } from '../../src/agent/rpc-server.ts'
import { StateView } from '../../src/agent/state-view.ts'
import { XdsServer } from '../../src/agent/xds/xds-server.ts'
import { createProgram, runProgram } from '../../src/cli/program.ts'
import type { TraceResponse__Output } from '../../src/gen/weir/v1/TraceResponse.ts'
import { instancePaths } from '../../src/lib/paths.ts'
import { LocalIdentityAllocator } from '../../src/policy/identity-allocator.ts'
import { LOCAL_RANGE } from '../../src/policy/identity.ts'
import { redirectOf } from '../../src/redirect/redirect.ts'
import { testPolicies, traceOffline, validatePolicies } from '../../src/rehearsal/commands.ts'
import { protocolConflicts } from '../../src/l7rules/protocol-conflicts.ts'
import { trace } from '../../src/trace/trace.ts'
import { logTo, Mailbox } from '../helpers/events.ts'
import { MemoryDatapath } from '../helpers/memory-datapath.ts'
import { parseGood } from '../helpers/policy-world.ts'

t.setTimeout(120_000)

const ENDPOINTS = `
- { name: web, labels: { app: web }, device: veth1, addresses: [10.0.0.1, 'fd00::1'] }
- { name: api, labels: { app: api }, device: veth2, addresses: [10.0.0.2] }
- { name: api, namespace: prod, labels: { app: api }, device: veth3, addresses: [10.0.0.3] }
`
const POLICY = `apiVersion: cilium.io/v2
kind: CiliumNetworkPolicy
metadata: { name: api }
spec:
  endpointSelector: { matchLabels: { app: api } }
  ingress:
    - fromEndpoints: [{ matchLabels: { app: web } }]
      toPorts:
        - ports: [{ port: '8080', protocol: TCP }]
          rules:
            http:
              - { method: GET, path: '/v1/items(/[0-9]+)?' }
              - { method: POST, path: /v1/items, headers: ['x-token: open'] }
    - fromCIDR: [192.0.2.0/24]
      toPorts: [{ ports: [{ port: '9090', protocol: TCP }] }]
`

interface Cli {
  readonly dir: string
  readonly reconciler: Reconciler
  readonly datapath: MemoryDatapath
  /** Text of standard output; of a failure `EXIT-CODE STDOUT | STDERR`. */
  readonly weir: (...args: string[]) => Promise<string>
}

async function startAgent(t: Test): Promise<Cli> {
  const root = mkdtempSync(join(tmpdir(), 'weir-'))
  t.teardown(() => rmSync(root, { recursive: true, force: true }))
  const dir = join(root, 'state')
  const log = logTo(new Mailbox())
  const datapath = new MemoryDatapath()
  const reconciler = new Reconciler({
    datapath,
    allocator: new LocalIdentityAllocator(),
    prefixAllocator: new LocalIdentityAllocator(undefined, LOCAL_RANGE),
    registry: new EndpointRegistry(join(root, 'endpoints.json')),
    publish: () => Promise.resolve(),
    hostAddresses: () => ['10.0.0.254'],
    log,
  })
  await reconciler.apply({
    endpoints: parseEndpoints(ENDPOINTS, 'endpoints.yaml').endpoints,
    setPolicies: parseGood(POLICY, 'policies/api.yaml'),
  })
  const flows = new FlowLog()
  const control = new ControlServer({ log, onFlows: () => {} })
  const xds = new XdsServer({ log, hostAddresses: () => [] })
  const view = new StateView({
    version: 'test',
    redirect: redirectOf('hybrid'),
    reconciler,
    datapath,
    control,
    xds,
    flows,
    endpointSources: {
      fileState: { file: 'endpoints.yaml', state: 'ok', error: undefined, endpoints: [] },
      dockerState: undefined,
      unenforceable: () => [],
    },
    policySources: () => [],
    workersWanted: undefined,
    trace,
    protocolConflicts,
    failures: () => [],
  })
  const rpc = await startRpcServer(instancePaths(dir).agentSocket, {
    control: control.handlers,
    agent: agentHandlers(view, flows, control),
  })
  t.teardown(() => rpc.close())
  return { dir, reconciler, datapath, weir: (...args) => weir([...args, '--state-dir', dir]) }
}

class Output extends Writable {
  text = ''
  override _write(chunk: Buffer, _encoding: string, done: () => void): void {
    this.text += chunk.toString()
    done()
  }
}

async function weir(args: readonly string[]): Promise<string> {
  const io = { stdout: new Output(), stderr: new Output() }
  const unused = async (): Promise<void> => {}
  const handlers = { run: unused, agent: unused, proxy: unused, cleanup: unused, doctor: () => [] }
  const rehearsal = { validatePolicies, traceOffline, testPolicies }
  const code = await runProgram(createProgram({ ...handlers, rehearsal }, io), args, io)
  return code === 0 ? io.stdout.text : `${code} ${io.stdout.text} | ${io.stderr.text}`
}

t.test('trace asks the maps of the kernel and the policies in force', async (t) => {
  const { weir } = await startAgent(t)
  const flow = ['policy', 'trace', '--from', 'web', '--to', 'default/api', '--port', '8080']
  const get = await weir(...flow, '--http', 'GET /v1/items/7')
  t.match(get, /^ALLOWED: web -> default\/api 8080\/TCP GET \/v1\/items\/7\n/)
  t.match(
    get,
    /by the proxy, ingress of the destination: RULE_MATCHED, rule default\/api .*http\[0\] \(policies\/api\.yaml:12\)/,
  )
  const post = await weir(...flow, '--method', 'POST', '--path', '/v1/items', '--header', 'X-Token: closed')
  t.match(post, /^DENIED \(403\)/)
  t.match(
    post,
    /miss {2}default\/api .*http\[1\].*\n +header x-token "closed" does not fit header x-token "open"\n/,
  )
  t.match(post, /no proxy worker is connected/, 'what else is wrong is said, too')
  t.match(await weir(...flow), /^REDIRECTED/)
  t.match(await weir(...flow, '--http', 'GET /v1/../../etc'), /DENIED \(400\)[^]*HTTP_PATH_ABOVE_ROOT/)

  const json = JSON.parse(await weir(...flow, '-o', 'json')) as TraceResponse__Output
  t.match(json, {
    verdict: 'redirected',
    outcome: 'redirect',
    rule: { name: 'default/api ingress[0]', file: 'policies/api.yaml', line: 7 },
    sides: [
      { direction: 'egress', enforced: false },
      { direction: 'ingress', enforced: true },
    ],
  })
})

t.test('trace believes the map, and says when rules say something else', async (t) => {
  const { weir, reconciler, datapath } = await startAgent(t)
  const api = reconciler.endpoints().find(({ spec }) => spec.name === 'api' && spec.namespace === 'default')
  datapath.lockEndpoint(api!.id)
  const text = await weir('policy', 'trace', '--from', 'web', '--to', 'default/api', '--port', '8080')
  t.match(text, /^DENIED \(dropped\)/)
  t.match(text, /the rules in force come to redirect, the policy map says deny/)
})

t.test('trace knows addresses, the host, and prefixes of policies', async (t) => {
  const { weir } = await startAgent(t)
  const to = ['--to', 'default/api', '--port', '9090']
  t.match(await weir('policy', 'trace', '--from', '192.0.2.7', ...to), /^ALLOWED/)
  const other = await weir('policy', 'trace', '--from', '198.51.100.7', ...to)
  t.match(other, /^DENIED \(dropped\)/)
  t.match(other, /POLICY_DENIED, rule default\/api \(policies\/api\.yaml:1\)/)
  t.match(other, /miss {2}allow default\/api ingress\[1\].*\n +peer {2}no: needs cidr:192\.0\.2\.0\/24/)
  t.match(await weir('policy', 'trace', '--from', '10.0.0.254', ...to), /identity 1, reserved:host/)
  t.match(await weir('policy', 'trace', '--from', '10.0.0.1', ...to), /endpoint default\/web/)
  t.match(
    await weir('policy', 'trace', '--from', 'world', '--to', 'host', '--port', '1'),
    /Weir does not look/,
  )
})

t.test('what cannot be traced', async (t) => {
  const { weir } = await startAgent(t)
  const cases: [string[], RegExp][] = [
    [['--from', 'web', '--to', 'api', '--port', '80'], /names several endpoints: default\/api, prod\/api/],
    [['--from', 'wed', '--to', 'world', '--port', '80'], /NOT_FOUND: nothing is known by "wed"/],
    [['--from', '99', '--to', 'world', '--port', '80'], /NOT_FOUND: no identity is known by "99"/],
    [['--from', 'web', '--to', 'world', '--port', '80/KCP'], /"80\/KCP" is not PORT\[\/PROTOCOL\]/],
    [['--from', 'web', '--to', 'world', '--port', '80', '--http', 'GET'], /--http "GET" is not METHOD PATH/],
    [['--from', 'web', '--to', 'world', '--port', '80', '--policies', 'x'], /without the other/],
    [['--from', 'web', '--to', 'world', '--port', '80', '--expect', 'yes'], /--expect "yes" is no outcome/],
    [['--from', 'web', '--to', 'default/api', '--port', '8080', '--header', 'a: b\r\nc: d'], /end of line/],
  ]
  for (const [args, message] of cases) t.match(await weir('policy', 'trace', ...args), message)
})

t.test('--expect decides the exit code', async (t) => {
  const { weir } = await startAgent(t)
  const flow = ['policy', 'trace', '--from', 'web', '--to', 'default/api', '--port', '81', '--expect']
  t.match(await weir(...flow, 'deny'), /^DENIED/)
  t.match(await weir(...flow, 'dropped'), /^DENIED/)
  t.match(await weir(...flow, 'allow'), /^1 DENIED[^]*EXPECTATION_MISSED: expected allow, got dropped/)
})

t.test('selectors, identities and addresses', async (t) => {
  const { weir } = await startAgent(t)
  const selectors = await weir('policy', 'selectors')
  t.match(selectors, /^ROLE +USERS +SELECTS +IDENTITIES +SELECTOR\n/)
  t.match(selectors, /peer +1 +1 +\d+ +k8s:app In \[web\], k8s:io\.kubernetes\.pod\.namespace In \[default\]/)
  t.match(selectors, /subject +1 +1 +\d+ +k8s:app In \[api\]/)
  t.match(await weir('identity', 'get', 'world'), /^IDENTITY.*\n +2 .*reserved:world\n$/)
  t.match(await weir('identity', 'get', '77'), /NOT_FOUND: no identity is "77"/)
  t.match(
    await weir('bpf', 'ipcache', 'get', '192.0.2.9'),
    /^PREFIX.*\n192\.0\.2\.0\/24 +\d+ .*cidr:192\.0\.2\.0\/24/,
  )
  t.match(await weir('bpf', 'ipcache', 'get', 'fd00::1'), /^PREFIX.*\nfd00::1\/128 +\d+ .*app=web/)
  t.match(await weir('bpf', 'ipcache', 'get', '203.0.113.1'), /NOT_FOUND: no entry holds 203\.0\.113\.1/)
  t.match(await weir('bpf', 'ipcache', 'get', 'x'), /CONFIG_INVALID/)
  t.match(await weir('bpf', 'policy', 'get', 'prod/api'), /prod\/api/)
  t.match(await weir('bpf', 'policy', 'get', 'nobody'), /NOT_FOUND/)
})

t.test('validate warns of policies that are not read, which is no failure', async (t) => {
  const dir = t.testdir({ 'api.yaml': POLICY, team: { 'b.yaml': POLICY } })
  const text = await weir(['policy', 'validate', dir])
  t.match(
    text,
    /^warning: POLICY_NOT_READ: policies folder .*: the subfolder "team" holds "b.yaml", and subfolders are/,
  )
  t.match(text, /\nok: 1 policy in 1 file\n$/)
  const json = JSON.parse(await weir(['policy', 'validate', dir, '-o', 'json'])) as unknown
  t.match(json, { problems: [], warnings: [{ code: 'POLICY_NOT_READ', text: /^policies folder / }] })
})
