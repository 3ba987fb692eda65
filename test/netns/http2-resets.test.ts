// 10,000 streams over four connections, both sides resetting at random: the connections live on, and nothing is left.
import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs'
import type http2 from 'node:http2'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import t from 'tap'
import { type Flow } from '../../src/lib/flow.ts'
import { seededRandom } from '../conformance/http1/random.ts'
import { startCluster } from '../helpers/cluster.ts'
import { connectHttp2, request } from '../helpers/http2-client.ts'
import { faultOf, head, makePlans, type Outcome, storm, StormServer } from '../helpers/http2-storm.ts'
import { heapEnvironment, liveHeapBytes } from '../helpers/live-heap.ts'
import { fromPods, networkPolicy, onHttp } from '../helpers/network-policy.ts'
import { addressesOf } from '../helpers/node-namespace.ts'
import { statusOf } from '../helpers/observed.ts'
import { canRunPrivileged } from '../helpers/privileges.ts'
import { waitFor } from '../helpers/wait.ts'

const WEB = 80
const STREAMS = 10_000
/** Two of each family. */
const CONNECTIONS = 4
/** Of each. */
const IN_FLIGHT = 75
const SEED = Number(process.env['RESETS_SEED'] ?? Date.now() % 1_000_000)
/** What a connection takes in either direction with credit only, of the connection and of the stream. */
const LARGE = Buffer.alloc(1_000_000, 'weir')
/** Code that is still being optimised is half of it; streams that are left cost hundreds of bytes each. */
const MAX_GROWTH_BYTES = 2_000_000

if (canRunPrivileged(t)) {
  t.setTimeout(600_000)
  t.test('resets', { timeout: 590_000 }, async (t) => {
    t.comment(`RESETS_SEED=${SEED}`)
    const directory = mkdtempSync(join(tmpdir(), 'weir-heap-'))
    t.teardown(() => rmSync(directory, { recursive: true, force: true }))
    const { node, pods, weir } = await startCluster(t, {
      pods: ['client', 'server'],
      policies: {
        'server.yaml': networkPolicy('server', {
          ingress: [{ ...fromPods('client'), ...onHttp(WEB, { path: '/ok/.*' }) }],
        }),
      },
      args: ({ workDir }) => ['--workers', '1', '--access-log', join(workDir, 'access.log')],
      env: heapEnvironment(directory),
    })
    const { pid } = weir.processes().find(({ command }) => command === 'proxy')!
    const openFiles = (): number => readdirSync(`/proc/${pid}/fd`).length
    const openFilesBefore = openFiles()

    const plans = makePlans(seededRandom(SEED), STREAMS)
    const server = await StormServer.start(pods.server, WEB, plans)
    const faults: string[] = []
    const sessions: http2.ClientHttp2Session[] = []
    t.teardown(() => {
      for (const session of sessions) session.destroy()
      server.close()
    })
    for (let i = 0; i < CONNECTIONS; i++) {
      const host = addressesOf(pods.server)[i % 2]!
      const session = await connectHttp2(pods.client, { host, port: WEB })
      for (const event of ['goaway', 'error', 'frameError', 'close'])
        session.on(event, (...details: unknown[]) => faults.push([host, event, ...details].join(' ')))
      sessions.push(session)
    }

    const outcomes: Outcome[] = []
    const heaps: number[] = []
    // Within the first half caches and queues fill up.
    for (const half of [plans.slice(0, STREAMS / 2), plans.slice(STREAMS / 2)]) {
      const over = await storm(sessions, IN_FLIGHT, half).catch((error: unknown) => {
        throw new Error(`${String(error)}; ${[...faults, ...server.faults].join(', ')}`)
      })
      outcomes.push(...over)
      for (const session of sessions) {
        const { status, body } = await request(session, head('POST', '/ok/echo'), LARGE)
        t.equal(status, 200, 'the connection works')
        t.ok(body.equals(LARGE), 'and has all of its windows')
        t.equal((await request(session, head('GET', '/no'))).status, 403, 'and its rules')
      }
      heaps.push(await liveHeapBytes(pid, directory))
    }
    t.strictSame(faults, [], 'no connection ended, or was told to')
    t.strictSame(server.faults, [], 'the server saw nothing that is denied')
    const wrong = outcomes.map((outcome) => faultOf(outcome, server)).filter(Boolean)
    t.strictSame(wrong.slice(0, 10), [], 'each stream ended as it had to')
    const byClient = outcomes.filter(({ isReset }) => isReset).length
    const byServer = server.resets.size
    t.comment(`reset by the client ${byClient}, by the server ${byServer}`)
    t.ok(byClient > STREAMS / 20 && byServer > STREAMS / 20, 'there was something to survive')
    const [before = 0, after = 0] = heaps
    t.comment(`live heap before ${before}, grown by ${after - before}`)
    t.ok(after - before < MAX_GROWTH_BYTES, `${after - before} bytes are left`)

    for (const session of sessions) session.destroy()
    const worker = await waitFor(
      async () => {
        const { workers } = await statusOf(weir)
        const isDone = workers.every(
          (worker) => worker.connectionsActive === 0 && worker.connectionsTotal > 0,
        )
        return isDone ? workers[0] : undefined
      },
      { what: 'the worker to count no connection' },
    )
    t.equal(worker.connectionsTotal, CONNECTIONS)
    // A stream that was left would have been told of as lost with its connection.
    const reasons = Object.keys(worker.errors).sort()
    t.strictSame(reasons, ['HTTP2_CLIENT_RESET', 'HTTP2_SERVER_RESET'], 'no stream was left')
    await waitFor(() => openFiles() <= openFilesBefore, { what: 'all descriptors to be closed' })

    const recorded = (): string[] =>
      readFileSync(join(node.workDir, 'access.log'), 'utf8')
        .split('\n')
        .filter(Boolean)
        .map((line) => new URL((JSON.parse(line) as Flow).l7!.http!.url).pathname)
        .filter((path) => /\d$/.test(path))
    await waitFor(() => recorded().length >= STREAMS, { what: 'all streams to be recorded' })
    const planned = plans.map(({ path }) => path)
    t.strictSame(recorded().sort(), planned.sort(), 'each once')
  })
}
