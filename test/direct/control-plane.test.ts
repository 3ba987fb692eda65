// Agent and workers over real gRPC on a real unix socket, in one process.
import { mkdtempSync, renameSync, rmSync, statSync } from 'node:fs'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import t, { type Test } from 'tap'
import { agentHandlers, type AgentState } from '../../src/agent/agent-server.ts'
import { ControlServer, type ControlServerOptions } from '../../src/agent/control-server.ts'
import { FlowLog } from '../../src/agent/flow-log.ts'
import { startRpcServer, type RpcServer } from '../../src/agent/rpc-server.ts'
import type { AgentMessage__Output } from '../../src/gen/weir/v1/AgentMessage.ts'
import type { Status__Output } from '../../src/gen/weir/v1/Status.ts'
import { asIdentity } from '../../src/lib/brands.ts'
import { WeirError } from '../../src/lib/errors.ts'
import { MAX_WORKERS } from '../../src/lib/limits.ts'
import { instancePaths } from '../../src/lib/paths.ts'
import { agentChannel } from '../../src/lib/rpc/channel.ts'
import { protos } from '../../src/lib/rpc/load.ts'
import type { PolicySnapshot } from '../../src/policy/network-policy.ts'
import { AgentClient, type AgentClientOptions } from '../../src/proxy/agent-client.ts'
import { Mailbox, logTo, type LogLine } from '../helpers/events.ts'
import { sampleSnapshot } from '../helpers/snapshot.ts'

t.setTimeout(120_000)

const emptyState: AgentState = {
  status: () => ({ version: 'test' }) as Status__Output,
  endpoints: () => [],
  identities: () => [],
  policyRevision: () => 0,
  policies: (name) => {
    throw new WeirError('NOT_FOUND', `policy ${name} does not exist`)
  },
  policyMap: () => [],
  ipcache: () => [],
  connections: () => [],
  selectors: () => [],
  trace: () => {
    throw new WeirError('NOT_FOUND', 'nothing to trace')
  },
}

interface TestAgent {
  readonly control: ControlServer
  readonly flows: FlowLog
  readonly rpc: RpcServer
  readonly log: Mailbox<LogLine>
}

function stateDir(t: Test): string {
  const dir = mkdtempSync(join(tmpdir(), 'weir-'))
  t.teardown(() => rmSync(dir, { recursive: true, force: true }))
  return join(dir, 'state')
}

async function startAgent(
  t: Test,
  dir: string,
  options: Partial<ControlServerOptions> = {},
): Promise<TestAgent> {
  const log = new Mailbox<LogLine>()
  const flows = new FlowLog()
  const control = new ControlServer({
    log: logTo(log),
    onFlows: (_slot, batch) => flows.receive(batch),
    ...options,
  })
  const services = { control: control.handlers, agent: agentHandlers(emptyState, flows, control) }
  const rpc = await startRpcServer(instancePaths(dir).agentSocket, services)
  t.teardown(() => rpc.close())
  return { control, flows, rpc, log }
}

function startWorker(t: Test, dir: string, slot: number, options: Partial<AgentClientOptions> = {}) {
  const applied = new Mailbox<PolicySnapshot>()
  const client = new AgentClient({
    socketPath: instancePaths(dir).agentSocket,
    slot,
    version: '0.1.0',
    log: logTo(new Mailbox()),
    apply: (snapshot) => void applied.push(snapshot),
    stats: () => ({ requestsAllowed: 5, errors: { HEADER_TOO_LARGE: 2 } }),
    ...options,
  })
  client.start()
  t.teardown(() => client.close())
  return { client, applied }
}

const connected = (agent: TestAgent) => agent.log.takeUntil((line) => line.msg === 'worker connected')
const disconnected = (agent: TestAgent) => agent.log.takeUntil((line) => line.msg === 'worker disconnected')

t.test('a snapshot reaches every worker unchanged and is acked', async (t) => {
  const dir = stateDir(t)
  const agent = await startAgent(t, dir)
  const a = startWorker(t, dir, 0)
  const b = startWorker(t, dir, 1)
  await connected(agent)
  await connected(agent)

  const result = await agent.control.publish(sampleSnapshot(3))
  t.same(result, { revision: 3, acked: [0, 1], refused: [], gone: [], silent: [] })
  t.same(await a.applied.take(), sampleSnapshot(3))
  t.same(await b.applied.take(), sampleSnapshot(3))
  t.match(agent.control.workers(), [
    { slot: 0, pid: process.pid, revision: 3, error: '' },
    { slot: 1, revision: 3 },
  ])
})

t.test('a worker that comes late gets the policy in force', async (t) => {
  const dir = stateDir(t)
  const agent = await startAgent(t, dir)
  t.same((await agent.control.publish(sampleSnapshot(1))).acked, [], 'nobody is there')
  const { applied } = startWorker(t, dir, 0)
  t.equal((await applied.take()).revision, 1)
})

t.test('a refusal and a throw reach the publisher, the next good snapshot clears them', async (t) => {
  const dir = stateDir(t)
  const agent = await startAgent(t, dir)
  startWorker(t, dir, 0, { apply: ({ revision }) => (revision === 2 ? 'no room' : undefined) })
  startWorker(t, dir, 1, {
    apply: ({ revision }) => {
      if (revision === 2) throw new Error('bug')
      return undefined
    },
  })
  await connected(agent)
  await connected(agent)
  await agent.control.publish(sampleSnapshot(1))
  const { refused } = await agent.control.publish(sampleSnapshot(2))
  t.same(
    [...refused].sort((x, y) => x.slot - y.slot),
    [
      { slot: 0, error: 'no room' },
      { slot: 1, error: 'bug' },
    ],
  )
  t.match(agent.control.workers(), [
    { revision: 1, error: 'no room' },
    { revision: 1, error: 'bug' },
  ])
  t.equal((await agent.control.publish(sampleSnapshot(3))).acked.length, 2)
  t.match(agent.control.workers(), [
    { revision: 3, error: '' },
    { revision: 3, error: '' },
  ])
})

t.test('a worker that never acks does not hold up the agent, and skips what was superseded', async (t) => {
  const dir = stateDir(t)
  const agent = await startAgent(t, dir, { ackTimeoutMs: 50 })
  const client = new (protos().weir.v1.ControlService)(...agentChannel(instancePaths(dir).agentSocket))
  t.teardown(() => client.close())
  const stream = client.Connect()
  const received = new Mailbox<number>()
  stream.on('error', () => {})
  stream.on('data', (message: AgentMessage__Output) => received.push(message.snapshot?.revision ?? 0))
  stream.write({ hello: { slot: 4, pid: 1 } })
  await connected(agent)

  t.same((await agent.control.publish(sampleSnapshot(1))).silent, [4])
  t.equal(await received.take(), 1)
  t.same((await agent.control.publish(sampleSnapshot(2))).silent, [4])
  const third = agent.control.publish(sampleSnapshot(3))
  stream.write({ ack: { revision: 1 } })
  t.equal(await received.take(), 3, 'revision 2 was skipped')
  stream.write({ ack: { revision: 3 } })
  t.same((await third).acked, [4])
})

t.test('a worker that dies while a snapshot is under way is gone, not silent', async (t) => {
  const dir = stateDir(t)
  const agent = await startAgent(t, dir)
  const client = new (protos().weir.v1.ControlService)(...agentChannel(instancePaths(dir).agentSocket))
  const stream = client.Connect()
  stream.on('error', () => {})
  stream.on('data', () => stream.cancel())
  stream.write({ hello: { slot: 0, pid: 1 } })
  await connected(agent)
  t.same((await agent.control.publish(sampleSnapshot(1))).gone, [0])
  t.same(agent.control.workers(), [])
  client.close()
})

t.test('a worker keeps its policy without an agent and reconnects to the next one', async (t) => {
  const dir = stateDir(t)
  const first = await startAgent(t, dir)
  const log = new Mailbox<LogLine>()
  const { client, applied } = startWorker(t, dir, 0, { log: logTo(log) })
  await connected(first)
  await first.control.publish(sampleSnapshot(1))
  await applied.take()
  await first.rpc.close()
  await log.takeUntil((line) => line.msg.startsWith('agent lost'))
  t.notOk(client.isConnected)

  const second = await startAgent(t, dir)
  await connected(second)
  t.same((await second.control.publish(sampleSnapshot(2))).acked, [0])
  t.equal((await applied.take()).revision, 2, 'nothing was applied in between')
})

t.test('a new worker of a slot replaces the old one', async (t) => {
  const dir = stateDir(t)
  const agent = await startAgent(t, dir)
  const old = startWorker(t, dir, 0)
  await connected(agent)
  old.client.close()
  const { applied } = startWorker(t, dir, 0)
  await connected(agent)
  await agent.control.publish(sampleSnapshot(1))
  t.equal((await applied.take()).revision, 1)
  t.equal(agent.control.workers().length, 1)
})

t.test('a first message that is no Hello, or a bad slot, is refused', async (t) => {
  const dir = stateDir(t)
  await startAgent(t, dir)
  const client = new (protos().weir.v1.ControlService)(...agentChannel(instancePaths(dir).agentSocket))
  t.teardown(() => client.close())
  for (const message of [{ ack: { revision: 1 } }, { hello: { slot: MAX_WORKERS, pid: 1 } }]) {
    const stream = client.Connect()
    stream.on('data', () => {})
    stream.write(message)
    const error = await new Promise((resolve) => stream.on('error', resolve))
    t.match(error, { code: 3, details: /Hello|slot \d+ is not 0\.\.\d+/ })
  }
})

t.test('stats reach the agent', async (t) => {
  const dir = stateDir(t)
  const stats = new Mailbox<unknown>()
  const agent = await startAgent(t, dir, { onStats: (slot, value) => stats.push({ slot, ...value }) })
  const { client } = startWorker(t, dir, 2)
  t.match(await stats.take(), { slot: 2, requestsAllowed: 5, errors: { HEADER_TOO_LARGE: 2 } })
  t.match(agent.control.workers(), [{ slot: 2, stats: { requestsAllowed: 5 } }])
  client.close()
  await disconnected(agent)
})

const flowLine = (ms: number, from: string): string =>
  `${JSON.stringify({ time: new Date(ms).toISOString(), from })}\n`

t.test('a worker keeps its flows until somebody looks', async (t) => {
  const dir = stateDir(t)
  const batches = new Mailbox<unknown>()
  const agent = await startAgent(t, dir, {
    onFlows: (_slot, batch) => {
      agent.flows.receive(batch)
      batches.push(batch)
    },
  })
  const flushed: string[] = []
  const { client } = startWorker(t, dir, 0, { flushFlows: () => flushed.push('flushed') })
  await connected(agent)
  client.sendFlows(Buffer.from(flowLine(1, 'worker') + flowLine(3, 'worker')), 2)
  agent.flows.append(flowLine(2, 'kernel'))
  await agent.control.collectFlows()
  t.same(flushed, ['flushed'])
  t.equal(
    agent.flows.last(9).join('\n'),
    (flowLine(1, 'worker') + flowLine(2, 'kernel') + flowLine(3, 'worker')).trimEnd(),
  )

  const stop = agent.control.followFlows()
  const stopOther = agent.control.followFlows()
  await agent.control.collectFlows()
  client.sendFlows(Buffer.from(flowLine(4, 'worker')), 1)
  await agent.control.collectFlows()
  t.equal(agent.flows.last(9).length, 4)
  stop()
  stop()
  client.sendFlows(Buffer.from(flowLine(5, 'worker')), 1)
  await batches.takeUntil((batch) => String((batch as { ndjson: Buffer }).ndjson) === flowLine(5, 'worker'))
  stopOther()
})

t.test('a worker that does not answer keeps nobody waiting', async (t) => {
  const dir = stateDir(t)
  const agent = await startAgent(t, dir)
  const client = new (protos().weir.v1.ControlService)(...agentChannel(instancePaths(dir).agentSocket))
  t.teardown(() => client.close())
  const stream = client.Connect()
  stream.on('error', () => {})
  stream.on('data', () => {})
  stream.write({ hello: { slot: 0, pid: 1 } })
  await connected(agent)
  await agent.control.collectFlows()
  const collecting = agent.control.collectFlows()
  stream.cancel()
  await collecting
  t.pass()
})

t.test('a worker that connects while somebody follows sends at once', async (t) => {
  const dir = stateDir(t)
  const batches = new Mailbox<string>()
  const agent = await startAgent(t, dir, { onFlows: (_slot, { ndjson }) => batches.push(ndjson.toString()) })
  const stop = agent.control.followFlows()
  const { client } = startWorker(t, dir, 0)
  t.equal(await batches.take(), '', 'its past is empty')
  client.sendFlows(Buffer.from('x\n'), 1)
  t.equal(await batches.take(), 'x\n')
  stop()
})

t.test('a snapshot larger than the usual limit of gRPC', async (t) => {
  const dir = stateDir(t)
  const agent = await startAgent(t, dir)
  const { applied } = startWorker(t, dir, 0)
  await connected(agent)
  const labels = ['k8s:x='.padEnd(1000, 'y')]
  const identities = Array.from({ length: 8000 }, (_, i) => ({ identity: asIdentity(i + 256), labels }))
  t.same((await agent.control.publish({ ...sampleSnapshot(1), identities })).acked, [0])
  t.equal((await applied.take()).identities.length, 8000)
})

t.test('observe sends the past, then follows', async (t) => {
  const dir = stateDir(t)
  const { flows } = await startAgent(t, dir)
  for (let i = 0; i < 30; i++) flows.append(`{"n":${i}}\n`)
  const client = new (protos().weir.v1.AgentService)(...agentChannel(instancePaths(dir).agentSocket))
  t.teardown(() => client.close())

  const past: string[] = []
  for await (const { flow } of client.Observe({ last: 2 })) past.push(flow as string)
  t.same(past, ['{"n":28}', '{"n":29}'])

  const received = new Mailbox<{ flow: string; lost: number }>()
  const call = client.Observe({ follow: true, last: 1 })
  call.on('error', () => {})
  call.on('data', received.push)
  t.match(await received.take(), { flow: '{"n":29}', lost: 0 })
  flows.append('{"n":30}\n{"n":31}\n', 4)
  t.match(await received.take(), { flow: '{"n":30}', lost: 4 })
  t.match(await received.take(), { flow: '{"n":31}', lost: 0 })
  call.cancel()
})

t.test('an agent that stops while somebody follows', async (t) => {
  const dir = stateDir(t)
  const agent = await startAgent(t, dir)
  const worker = new Mailbox<LogLine>()
  startWorker(t, dir, 0, { log: logTo(worker) })
  await connected(agent)
  const client = new (protos().weir.v1.AgentService)(...agentChannel(instancePaths(dir).agentSocket))
  t.teardown(() => client.close())
  const received = new Mailbox<unknown>()
  const call = client.Observe({ follow: true })
  const ended = new Promise((resolve) => call.on('error', resolve))
  call.on('data', received.push)
  agent.flows.append('{}')
  await received.take()
  await agent.rpc.close()
  t.match(await ended, { code: /^(1|14)$/ }, 'cancelled or unavailable')
  await worker.takeUntil((line) => line.msg.startsWith('agent lost'))
})

t.test('an error of the agent keeps its code and message', async (t) => {
  const dir = stateDir(t)
  await startAgent(t, dir)
  const client = new (protos().weir.v1.AgentService)(...agentChannel(instancePaths(dir).agentSocket))
  t.teardown(() => client.close())
  const error = await new Promise((resolve) =>
    client.GetPolicy({ name: 'a/b' }, (failure) => resolve(failure)),
  )
  t.match(error, { code: 5, details: 'policy a/b does not exist' })
})

t.test('the socket is private and belongs to one agent', async (t) => {
  const dir = stateDir(t)
  const umask = process.umask(0)
  t.teardown(() => process.umask(umask))
  const first = await startAgent(t, dir)
  const { agentSocket } = instancePaths(dir)
  t.equal(statSync(agentSocket).mode & 0o777, 0o600)
  t.equal(statSync(dir).mode & 0o777, 0o700)
  t.equal(process.umask(0), 0, 'umask is as before')
  await t.rejects(startAgent(t, dir), { code: 'ALREADY_RUNNING', message: /stop it first/ })
  await first.rpc.close()
  t.throws(() => statSync(agentSocket), { code: 'ENOENT' })
})

t.test('the socket of a dead agent is replaced', async (t) => {
  const dir = stateDir(t)
  const { agentSocket } = instancePaths(dir)
  const first = await startAgent(t, dir)
  await first.rpc.close()
  leaveStaleSocket(agentSocket)
  await startAgent(t, dir)
  t.equal(statSync(agentSocket).mode & 0o777, 0o600)
})

/** What kill -9 leaves: a socket file that nobody listens on. Renamed, so that close does not find it. */
function leaveStaleSocket(path: string): void {
  const server = createServer().listen(`${path}.x`)
  renameSync(`${path}.x`, path)
  server.close()
}
