// kill -9 of each half and of both: the gate never opens, and what can go on goes on.
import t from 'tap'
import { type Cluster, inForce, startCluster } from '../helpers/cluster.ts'
import { curl } from '../helpers/curl.ts'
import { startHttpServer } from '../helpers/http-server.ts'
import { isRunning, type Namespace } from '../helpers/namespace.ts'
import { fromPods, networkPolicy, onHttp, onTcp } from '../helpers/network-policy.ts'
import { addressesOf, urlOf } from '../helpers/node-namespace.ts'
import { dropsOf, statusOf } from '../helpers/observed.ts'
import { atPaceOf } from '../helpers/pace.ts'
import { canRunPrivileged } from '../helpers/privileges.ts'
import { RawHttpClient } from '../helpers/raw-http.ts'
import { steadyRequests } from '../helpers/steady-requests.ts'
import { listenAndEcho, tryDial } from '../helpers/tcp.ts'
import { WeirProcess } from '../helpers/weir-process.ts'
import { waitFor } from '../helpers/wait.ts'

const SHORT_MS = 200
/** A SYN that was dropped is sent again after a second. */
const FIRST_SYN_MS = 900
const HEAL_MS = 1000
const [WEB, ECHO] = [80, 7] as const

const policy = (path: string): unknown =>
  networkPolicy('server', {
    ingress: [
      { ...fromPods('client'), ...onHttp(WEB, { path }) },
      { ...fromPods('client'), ...onTcp(ECHO) },
    ],
  })

if (canRunPrivileged(t)) {
  t.test('kill -9', async (t) => {
    const cluster = await startCluster(t, {
      pods: ['client', 'server'],
      policies: { 'server.yaml': policy('/ok') },
      args: () => ['--workers', '1'],
    })
    const { node, pods } = cluster
    const { client, server } = pods
    let { weir } = cluster
    const site = await startHttpServer(server, { port: WEB })
    const echo = await listenAndEcho(server, ECHO)
    t.teardown(() => [site, echo].forEach((listening) => listening.close()))
    const seenBy = (path: string): number => site.requests.filter((request) => request.path === path).length

    t.test('of the proxy: no new connection passes unjudged, and it heals within a second', async (t) => {
      const live = await RawHttpClient.open(client, { host: server.v4, port: WEB })
      live.get('/ok')
      t.equal((await live.response()).status, 200)
      const hammer = hammerWith(client, addressesOf(server), '/forbidden')
      await waitFor(() => hammer.answers.includes(403), { what: 'a denied request' })
      const limitMs = await atPaceOf(HEAL_MS)
      const killedMs = performance.now()
      const pids = await weir.kill9('proxy')
      t.equal(pids.length, 1)
      t.match(await live.ended, /^(end|close|ECONNRESET)$/, 'its live connections end')
      await waitFor(() => hammer.answers.includes(0), { what: 'a connection that fails meanwhile' })
      await waitFor(() => isServed(client, server.v4), {
        what: 'another worker',
      })
      const healedMs = performance.now() - killedMs
      t.ok(healedMs < limitMs, `healed after ${Math.round(healedMs)} of ${Math.round(limitMs)} ms`)
      const before = hammer.answers.length
      await waitFor(() => hammer.answers.slice(before).includes(403), { what: 'a judged request' })
      const answers = await hammer.stop()
      t.strictSame([...new Set(answers)].sort(), [0, 403], `of ${answers.length} forbidden requests`)
      t.equal(seenBy('/forbidden'), 0, 'and none reached the server')
      t.ok((await dropsOf(weir, 'NO_LISTENER', 'ingress')) > 0, 'the drops are counted')
    })

    t.test('of the agent: traffic goes on, and the next agent takes over the workers', async (t) => {
      const workers = pidsOf(weir, 'proxy')
      const steady = await steadyRequests(
        client,
        { host: server.v6, port: WEB },
        { path: '/ok', connections: 4 },
      )
      await weir.kill9('run')
      for (const address of addressesOf(server)) {
        t.equal(await statusCode(client, address, '/ok'), 200, `new connections, too, ${address}`)
        t.equal(await statusCode(client, address, '/forbidden'), 403)
      }
      await steady.answers(50)
      weir = await WeirProcess.start(node, { args: ['--workers', '1'] })
      t.strictSame(pidsOf(weir, 'proxy'), workers, 'no worker was restarted')
      await steady.answers(50)
      steady.mayBe(200, 403)
      await inForce(weir, () => weir.writePolicy('server.yaml', policy('/other')))
      steady.mayBe(403)
      await steady.answers(50)
      const { unexpected, broken } = steady.stop()
      t.strictSame({ unexpected, broken }, { unexpected: [], broken: [] })
      await inForce(weir, () => weir.writePolicy('server.yaml', policy('/ok')))
    })

    t.test('of everything: L7 ports are closed, the kernel goes on, and a new start mends it', async (t) => {
      const { revision } = await statusOf(weir)
      t.equal((await weir.kill9()).length, 2)
      for (const host of addressesOf(server)) {
        // No answer: dropped, or reset by a listener that is just being torn down.
        const attempt = await curl(client, urlOf(host, '/ok'), { connectTimeoutMs: SHORT_MS })
        t.equal(attempt.status, 0, `L7 is closed, ${host}`)
        t.equal(await tryDial(client, { host, port: ECHO }), 'connected', 'L4 is still allowed')
        t.equal(await tryDial(client, { host, port: 9 }, SHORT_MS), 'timeout', 'and still denied')
      }
      weir = await WeirProcess.start(node, { args: ['--workers', '1'] })
      for (const address of addressesOf(server)) {
        t.equal(await statusCode(client, address, '/ok'), 200, address)
        t.equal(await statusCode(client, address, '/forbidden'), 403)
      }
      t.ok((await statusOf(weir)).revision > revision, 'revisions go on')
      t.equal(seenBy('/forbidden'), 0)
    })

    t.test('of a worker again and again: each time another takes its place', async (t) => {
      for (const round of [1, 2, 3]) {
        await weir.kill9('proxy')
        await waitFor(() => isServed(client, server.v4), {
          what: `worker ${round}`,
        })
      }
      t.equal(pidsOf(weir, 'proxy').length, 1)
      t.equal(await statusCode(client, server.v4, '/forbidden'), 403)
    })
  })

  t.test('kill -9 of one of two workers disturbs no new connection', async (t) => {
    const { weir, pods } = await startCluster(t, {
      pods: ['client', 'server'],
      policies: { 'server.yaml': policy('/ok') },
      args: () => ['--workers', '2'],
    })
    const site = await startHttpServer(pods.server, { port: WEB })
    t.teardown(() => site.close())
    const [victim] = pidsOf(weir, 'proxy')
    process.kill(victim!, 'SIGKILL')
    // The kernel closes a listener some milliseconds after the signal; what it takes until then ends with it.
    await waitFor(() => !isRunning(victim!), { what: 'the killed worker to vanish' })
    for (let i = 0; i < 20; i++) {
      for (const address of addressesOf(pods.server)) {
        const status = await statusCode(pods.client, address, '/ok')
        if (status !== 200) t.fail(`request ${i} to ${address}: ${status}`)
      }
    }
    t.equal(site.requests.length, 40)
    await waitFor(() => pidsOf(weir, 'proxy').length === 2, { what: 'the second worker to be back' })
  })
}

async function statusCode(from: Namespace, to: string, path: string): Promise<number> {
  return (await curl(from, urlOf(to, path), { connectTimeoutMs: FIRST_SYN_MS })).status
}

/** For as long as there may be no worker: the next attempt comes soon. */
async function isServed(from: Namespace, to: string): Promise<boolean> {
  return (await curl(from, urlOf(to, '/ok'), { connectTimeoutMs: SHORT_MS })).status === 200
}

function pidsOf(weir: Cluster<string>['weir'], wanted: string): number[] {
  return weir.processes().flatMap(({ pid, command }) => (command === wanted ? [pid] : []))
}

interface Hammer {
  /** Status of each attempt so far; 0 = none was received. */
  readonly answers: readonly number[]
  stop(): Promise<readonly number[]>
}

/** New connections all the time, several at once, each with one request. */
function hammerWith(from: Namespace, addresses: readonly string[], path: string): Hammer {
  const answers: number[] = []
  let isStopped = false
  const hit = async (host: string): Promise<void> => {
    while (!isStopped) answers.push(await attempt(from, host, path))
  }
  const hits = [...addresses, ...addresses].map(hit)
  return {
    answers,
    async stop() {
      isStopped = true
      await Promise.all(hits)
      return answers
    },
  }
}

async function attempt(from: Namespace, host: string, path: string): Promise<number> {
  try {
    const http = await RawHttpClient.open(from, { host, port: WEB }, { timeoutMs: SHORT_MS })
    try {
      http.get(path)
      return (await http.response()).status
    } finally {
      http.close()
    }
  } catch {
    return 0
  }
}
