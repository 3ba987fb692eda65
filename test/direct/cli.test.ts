// Commands against a real socket with a made-up agent behind it.
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Writable } from 'node:stream'
import t, { type Test } from 'tap'
import { agentHandlers, type AgentState } from '../../src/agent/agent-server.ts'
import { ControlServer } from '../../src/agent/control-server.ts'
import { FlowLog } from '../../src/agent/flow-log.ts'
import { startRpcServer, type RpcServer } from '../../src/agent/rpc-server.ts'
import { createProgram, runProgram } from '../../src/cli/program.ts'
import { WeirError } from '../../src/lib/errors.ts'
import { instancePaths } from '../../src/lib/paths.ts'
import { Mailbox, logTo } from '../helpers/events.ts'
import { NO_REHEARSAL } from '../helpers/no-rehearsal.ts'

t.setTimeout(120_000)

const landing = {
  name: 'default/landing',
  file: '/etc/weir/landing.yaml',
  state: 'stale',
  error: 'line 3: bad',
}

const state: AgentState = {
  status: () => ({
    version: '0.1.0',
    pid: 12,
    revision: 7,
    redirect: 'hybrid',
    workers: [
      {
        slot: 0,
        pid: 13,
        revision: 7,
        error: '',
        connectionsActive: 1,
        connectionsTotal: 2,
        requestsAllowed: 3,
        requestsDenied: 4,
        errors: { HTTP_BARE_LF: 5 },
      },
    ],
    policies: [landing],
    endpointsFile: { name: '', file: '/etc/weir/endpoints.yaml', state: 'ok', error: '' },
    docker: null,
    endpointsReady: 1,
    endpointsTotal: 2,
    drops: [{ reason: 'POLICY_DENIED', direction: 'ingress', packets: 9 }],
    problems: ['policy default/landing is stale'],
    flowsLost: 0,
    xdsClients: [
      {
        node: 'host~127.0.0.1~no-id~localdomain',
        peer: 'unix',
        mode: 'ads',
        type: 'NetworkPolicy',
        revisionWanted: 7,
        revisionRealised: 6,
        error: 'bad port',
      },
    ],
  }),
  endpoints: () => [
    {
      id: 7,
      name: 'deathstar',
      namespace: 'default',
      identity: 1001,
      labels: ['k8s:class=deathstar', 'k8s:org=empire'],
      devices: ['veth7'],
      containerId: '',
      addresses: ['10.0.0.7', 'fd00::7'],
      state: 'ready',
      message: '',
      ingress: 'enforced',
      egress: 'open',
      revisionWanted: 7,
      revisionRealised: 6,
    },
  ],
  identities: () => [{ identity: 1001, labels: ['k8s:class=deathstar'], endpoints: 1 }],
  policyRevision: () => 7,
  policies: (name) => {
    if (name !== '' && name !== landing.name)
      throw new WeirError('NOT_FOUND', `policy ${name} does not exist`)
    return [{ source: landing, yaml: 'kind: CiliumNetworkPolicy\n', endpoints: ['default/deathstar'] }]
  },
  policyMap: (endpoint) => [
    {
      endpointId: 7,
      endpoint: endpoint || 'default/deathstar',
      direction: 'ingress',
      identity: 0,
      protocol: 'TCP',
      port: '80',
      verdict: 'redirect',
      precedence: 0,
    },
  ],
  ipcache: () => [{ prefix: '10.0.0.7/32', identity: 1001, labels: ['k8s:class=deathstar'] }],
  selectors: () => [{ role: 'peer', selector: 'k8s:app In [web]', identities: [1001], users: 3 }],
  trace: () => {
    throw new WeirError('NOT_FOUND', 'nothing is known by "x"')
  },
  connections: () => [
    {
      source: '10.0.0.3:40000',
      destination: '10.0.0.7:80',
      sourceIdentity: 1000,
      destinationIdentity: 1001,
      egressEndpoint: 0,
      ingressEndpoint: 7,
      revision: 7,
    },
  ],
}

async function agent(t: Test): Promise<{ dir: string; flows: FlowLog; rpc: RpcServer }> {
  const root = mkdtempSync(join(tmpdir(), 'weir-'))
  t.teardown(() => rmSync(root, { recursive: true, force: true }))
  const dir = join(root, 'state')
  const flows = new FlowLog()
  const control = new ControlServer({ log: logTo(new Mailbox()), onFlows: () => {} })
  const services = { control: control.handlers, agent: agentHandlers(state, flows, control) }
  const rpc = await startRpcServer(instancePaths(dir).agentSocket, services)
  t.teardown(() => rpc.close())
  return { dir, flows, rpc }
}

class Output extends Writable {
  readonly lines = new Mailbox<string>()
  text = ''
  override _write(chunk: Buffer, _encoding: string, done: () => void): void {
    this.text += chunk.toString()
    this.lines.push(chunk.toString())
    done()
  }
}

function start(dir: string, args: string): { stdout: Output; stderr: Output; exited: Promise<number> } {
  const io = { stdout: new Output(), stderr: new Output() }
  const unused = async (): Promise<void> => {}
  const handlers = { run: unused, agent: unused, proxy: unused, cleanup: unused, doctor: () => [] }
  const program = createProgram({ ...handlers, rehearsal: NO_REHEARSAL }, io)
  return { ...io, exited: runProgram(program, [...args.split(' '), '--state-dir', dir], io) }
}

async function weir(dir: string, args: string): Promise<string> {
  const { stdout, stderr, exited } = start(dir, args)
  const exitCode = await exited
  return exitCode === 0 ? stdout.text : `${exitCode} ${stderr.text}`
}

const TABLES: [string, RegExp[]][] = [
  [
    'status',
    [
      /0\.1\.0, pid 12, redirect hybrid/,
      /1 of 2 ready \(.*endpoints\.yaml is ok\)/,
      /HTTP_BARE_LF=5/,
      /stale/,
    ],
  ],
  [
    'endpoint list',
    [
      /^ID +NAME +IDENTITY/,
      /7 +default\/deathstar +1001 +enforced +open +ready +6\/7 +veth7 +10\.0\.0\.7,fd00::7/,
    ],
  ],
  ['identity list', [/1001 +1 +k8s:class=deathstar/]],
  ['policy get', [/default\/landing +stale +1 +\/etc\/weir\/landing\.yaml +line 3: bad/, /revision 7/]],
  [
    'policy get default/landing',
    [/^# default\/landing: stale/, /# selects default\/deathstar/, /^kind: Cilium/m],
  ],
  ['policy get a/b', [/^1 weir: NOT_FOUND: policy a\/b does not exist\n$/]],
  ['bpf policy', [/default\/deathstar \(7\) +ingress +ANY +TCP +80 +redirect/]],
  ['bpf policy other', [/other \(7\)/]],
  ['bpf policy get other', [/other \(7\)/]],
  ['bpf ipcache get 10.0.0.7', [/10\.0\.0\.7\/32 +1001/]],
  ['identity get 1001', [/1001 +1 +k8s:class=deathstar/]],
  ['policy selectors', [/peer +3 +1 +1001 +k8s:app In \[web\]/]],
  ['policy trace --from x --to y --port 80', [/^1 weir: NOT_FOUND: nothing is known by "x"\n$/]],
  ['bpf ipcache', [/10\.0\.0\.7\/32 +1001/]],
  ['bpf conns', [/10\.0\.0\.3:40000 +10\.0\.0\.7:80 +1000 +1001 +- +7 +7/]],
]
for (const [args, expected] of TABLES) {
  t.test(`weir ${args}`, async (t) => {
    const { dir } = await agent(t)
    const text = await weir(dir, args)
    for (const pattern of expected) t.match(text, pattern)
  })
}

t.test('json is the answer of the agent', async (t) => {
  const { dir } = await agent(t)
  t.same(JSON.parse(await weir(dir, 'status -o json')), state.status())
  t.same(JSON.parse(await weir(dir, 'endpoint list --output json')), { endpoints: state.endpoints() })
})

t.test('observe', async (t) => {
  const { dir, flows, rpc } = await agent(t)
  for (let i = 0; i < 30; i++) flows.append(`{"n":${i}}`)
  t.equal((await weir(dir, 'observe')).split('\n').length - 1, 20)
  t.equal(await weir(dir, 'observe --last 2 -o json'), '{"n":28}\n{"n":29}\n')

  const { stdout, stderr, exited } = start(dir, 'observe -f --last 1 -o json')
  t.equal(await stdout.lines.take(), '{"n":29}\n')
  flows.append('{"n":30}', 4)
  t.equal(await stdout.lines.take(), '{"n":30}\n')
  t.match(stderr.text, /4 records lost/)
  await rpc.close()
  t.equal(await exited, 1)
  t.match(stderr.text, /AGENT_UNREACHABLE/, 'a follower learns that the agent has gone')
})
