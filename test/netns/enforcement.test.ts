// Who may do what: every kind of verdict on real traffic, over IPv4 and IPv6, and what Weir says about it.
import { once } from 'node:events'
import { readFileSync } from 'node:fs'
import { type Socket } from 'node:net'
import { join } from 'node:path'
import t from 'tap'
import { type Flow } from '../../src/lib/flow.ts'
import { startCluster } from '../helpers/cluster.ts'
import { curl, curlEach, CURL_TIMED_OUT, type CurlResult } from '../helpers/curl.ts'
import { answersPing, echoDatagrams, hearsEcho } from '../helpers/datagram.ts'
import { startHttpServer } from '../helpers/http-server.ts'
import {
  fromEntity,
  fromPods,
  networkPolicy,
  onHttp,
  onTcp,
  onUdp,
  toEntity,
  toPods,
} from '../helpers/network-policy.ts'
import { addressesOf, urlOf } from '../helpers/node-namespace.ts'
import { type Namespace } from '../helpers/namespace.ts'
import { dropsOf, Observer, proxyTotals, sum } from '../helpers/observed.ts'
import { canRunPrivileged } from '../helpers/privileges.ts'
import { connected, listenAndEcho, tryDial } from '../helpers/tcp.ts'
import { waitFor } from '../helpers/wait.ts'

const SHORT_MS = 300
const DENIED_BODY = 'not today\n'

// client, other: no policy of their own. server: ingress. guarded: egress. open: no policy at all.
const POLICIES = {
  'server.yaml': networkPolicy('server', {
    ingress: [
      { ...fromPods('client', 'guarded'), ...onHttp(80, { path: '/public/.*' }) },
      { ...fromPods('client'), ...onTcp(8080) },
      { ...fromPods('client'), ...onUdp(53) },
      { ...fromEntity('host'), ...onHttp(80, { method: 'GET', path: '/health' }) },
      { ...fromEntity('host'), ...onTcp(8080) },
    ],
  }),
  'guarded.yaml': networkPolicy('guarded', {
    egress: [
      { ...toPods('server', 'open'), ...onHttp(80, { path: '/public/a.*' }, { path: '/guarded' }) },
      { ...toEntity('host'), ...onHttp(9000, { path: '/from-pod' }) },
      { ...toEntity('world'), ...onHttp(80, { path: '/abroad' }) },
    ],
  }),
  'public.yaml': networkPolicy('public', {
    ingress: [{ ...fromEntity('world'), ...onHttp(80, { path: '/' }) }],
  }),
}

if (canRunPrivileged(t)) {
  t.test('verdicts', async (t) => {
    const { node, pods, weir } = await startCluster(t, {
      pods: ['client', 'other', 'server', 'guarded', 'open', 'public'],
      strangers: ['stranger'],
      policies: POLICIES,
      args: ({ workDir }) => [
        ...['--workers', '2'],
        ...['--denied-403-body', DENIED_BODY],
        ...['--access-log', join(workDir, 'access.log')],
      ],
    })
    const { client, other, server, guarded, open, stranger } = pods
    const observer = new Observer(weir)
    const web = await startHttpServer(server)
    const openWeb = await startHttpServer(open)
    const publicWeb = await startHttpServer(pods.public)
    const echo = await listenAndEcho(server, 8080)
    t.teardown(() => [web, openWeb, publicWeb, echo].forEach((listening) => listening.close()))

    /** Requests that a worker must have judged so far. */
    let judged = 0
    const get = async (from: Namespace, to: string, path: string, port = 80): Promise<CurlResult> => {
      const answer = await curl(from, urlOf(to, path, port))
      if (answer.status !== 0) judged++
      return answer
    }
    const isDropped = async (from: Namespace, to: string): Promise<boolean> => {
      const answer = await curl(from, urlOf(to, '/public/page'), { connectTimeoutMs: SHORT_MS })
      return answer.exitCode === CURL_TIMED_OUT
    }

    t.test('a request that a rule matches reaches the server, which sees the true client', async (t) => {
      for (const [i, address] of addressesOf(server).entries()) {
        const answer = await get(client, address, '/public/page')
        t.equal(answer.status, 200, address)
        t.match(web.requests.at(-1), { path: '/public/page', client: { address: addressesOf(client)[i] } })
        const flow = await observer.record({ to: address, path: '/public/page' })
        t.match(flow, { verdict: 'FORWARDED', weir: { where: 'proxy', reason: 'RULE_MATCHED' } })
        t.match(flow.weir.rule, /default\/server-policy ingress\[0\].*http\[0\]/)
      }
    })

    t.test('any other request is answered with 403 and never reaches the server', async (t) => {
      for (const address of addressesOf(server)) {
        const before = web.requests.length
        const answer = await get(client, address, '/secret')
        t.match(answer, { status: 403, exitCode: 0 }, address)
        t.equal(answer.body.toString(), DENIED_BODY)
        t.equal(web.requests.length, before)
        const flow = await observer.record({ to: address, path: '/secret' })
        t.match(flow, { verdict: 'DROPPED', drop_reason_desc: 'POLICY_DENIED' })
        t.match(flow.weir, { where: 'proxy', reason: 'NO_RULE_MATCHED' })
      }
    })

    t.test('a peer that no rule names is dropped in the kernel, counted and reported', async (t) => {
      for (const address of addressesOf(server)) {
        const before = await dropsOf(weir, 'POLICY_DENIED', 'ingress')
        t.ok(await isDropped(other, address), address)
        t.ok((await dropsOf(weir, 'POLICY_DENIED', 'ingress')) > before, 'counted')
        t.match(await observer.record({ from: addressOf(other, address), to: address, port: 80 }), {
          verdict: 'DROPPED',
          drop_reason_desc: 'POLICY_DENIED',
          source: { pod_name: 'other', namespace: 'default' },
          destination: { pod_name: 'server' },
          traffic_direction: 'INGRESS',
          weir: { where: 'kernel' },
        })
      }
    })

    t.test('a port that no rule names is dropped, also for a peer that may use others', async (t) => {
      for (const host of addressesOf(server)) {
        t.equal(await tryDial(client, { host, port: 81 }, SHORT_MS), 'timeout', host)
        t.match(await observer.record({ from: addressOf(client, host), to: host, port: 81 }), {
          drop_reason_desc: 'POLICY_DENIED',
          weir: { where: 'kernel' },
        })
      }
    })

    t.test('a port without L7 rules goes straight to the server', async (t) => {
      for (const host of addressesOf(server)) {
        const connection = await connected(client, { host, port: 8080 })
        connection.write('hello')
        t.equal(String(await nextData(connection)), 'hello', host)
        t.equal(echo.connections.at(-1)?.port, connection.localPort, 'the connection is not a proxy one')
        connection.destroy()
      }
    })

    t.test('the host is a peer like others: L7, L4 and denied', async (t) => {
      for (const [i, host] of addressesOf(server).entries()) {
        t.equal((await get(node, host, '/health')).status, 200, `L7 allowed, ${host}`)
        t.equal(web.requests.at(-1)?.client.address, addressesOf(node)[i])
        t.equal((await get(node, host, '/public/page')).status, 403, 'L7 denied')
        t.equal(await tryDial(node, { host, port: 8080 }), 'connected', 'L4 allowed')
        t.equal(await tryDial(node, { host, port: 81 }, SHORT_MS), 'timeout', 'L4 denied')
        const flow = await observer.record({ from: addressOf(node, host), to: host, path: '/health' })
        t.match(flow.source, { identity: 1, labels: ['reserved:host'] })
      }
    })

    t.test('an address that nobody knows is the world: denied, unless a rule names the world', async (t) => {
      for (const host of addressesOf(server)) {
        t.ok(await isDropped(stranger, host), host)
        const flow = await observer.record({ from: addressOf(stranger, host), to: host })
        t.match(flow.source, { identity: 2, labels: ['reserved:world'], pod_name: '' })
      }
      for (const host of addressesOf(pods.public)) {
        t.equal((await get(stranger, host, '/')).status, 200, `allowed, ${host}`)
        t.equal((await get(stranger, host, '/admin')).status, 403, 'and judged')
        t.equal(await tryDial(client, { host, port: 80 }, SHORT_MS), 'timeout', 'a pod is not the world')
      }
    })

    t.test('an egress policy alone is enforced', async (t) => {
      for (const address of addressesOf(open)) {
        t.equal((await get(guarded, address, '/guarded')).status, 200, address)
        t.equal((await get(guarded, address, '/elsewhere')).status, 403)
        t.equal(await tryDial(guarded, { host: address, port: 81 }, SHORT_MS), 'timeout', 'L4')
        t.match(await observer.record({ to: address, path: '/elsewhere' }), {
          traffic_direction: 'EGRESS',
          weir: { reason: 'NO_RULE_MATCHED', rule: /^default\/guarded-policy egress\[0\]/ },
        })
        const drop = await observer.record({ from: addressOf(guarded, address), to: address, port: 81 })
        t.match(drop, { traffic_direction: 'EGRESS', drop_reason_desc: 'POLICY_DENIED' })
        const direct = await curl(client, urlOf(address, '/elsewhere'))
        t.equal(direct.status, 200, 'others may reach the same pod')
        t.equal(openWeb.requests.at(-1)?.client.port, direct.localPort, 'without the proxy')
      }
    })

    t.test('egress and ingress are judged by one proxy connection, each by its own rule', async (t) => {
      for (const address of addressesOf(server)) {
        const before = await proxyTotals(weir, judged)
        const accepted = web.connections()
        const urls = ['/public/a', '/public/b', '/guarded'].map((path) => urlOf(address, path))
        t.strictSame(
          await curlEach(guarded, urls),
          [200, 403, 403].map((status, i) => ({ status, connects: i === 0 ? 1 : 0 })),
          address,
        )
        judged += urls.length
        const after = await proxyTotals(weir, judged)
        t.equal(sum(after.connections) - sum(before.connections), 1, 'one proxied connection')
        t.equal(after.requests - before.requests, 3, 'each request judged once')
        t.equal(web.connections() - accepted, 1)
        const to = { from: addressOf(guarded, address), to: address }
        t.match(await observer.record({ ...to, path: '/public/a' }), { verdict: 'FORWARDED' })
        t.match(await observer.record({ ...to, path: '/public/b' }), {
          verdict: 'DROPPED',
          traffic_direction: 'EGRESS',
          weir: { rule: /^default\/guarded-policy egress/ },
        })
        t.match(await observer.record({ ...to, path: '/guarded' }), {
          verdict: 'DROPPED',
          traffic_direction: 'INGRESS',
          weir: { rule: /^default\/server-policy ingress/ },
        })
      }
    })

    t.test('a pod reaches a process of the host through its egress policy', async (t) => {
      const service = await startHttpServer(node, { port: 9000 })
      t.teardown(() => service.close())
      for (const [i, address] of addressesOf(node).entries()) {
        t.equal((await get(guarded, address, '/from-pod', 9000)).status, 200, address)
        t.equal(service.requests.at(-1)?.client.address, addressesOf(guarded)[i])
        t.equal((await get(guarded, address, '/other', 9000)).status, 403)
        t.equal(await tryDial(guarded, { host: address, port: 9001 }, SHORT_MS), 'timeout')
        t.equal(await tryDial(client, { host: address, port: 9001 }), 'refused', 'no policy')
      }
    })

    t.test('a pod reaches the world through its egress policy', async (t) => {
      const abroad = await startHttpServer(stranger)
      t.teardown(() => abroad.close())
      for (const [i, address] of addressesOf(stranger).entries()) {
        t.equal((await get(guarded, address, '/abroad')).status, 200, address)
        t.equal(abroad.requests.at(-1)?.client.address, addressesOf(guarded)[i])
        t.equal((await get(guarded, address, '/elsewhere')).status, 403)
        t.equal(await tryDial(guarded, { host: address, port: 81 }, SHORT_MS), 'timeout')
      }
    })

    t.test('a pod cannot use an address that is not its own', async (t) => {
      const stolen = { v4: '10.244.0.250', v6: 'fd00:244::250' }
      client.ip(`address add ${stolen.v4}/32 dev eth0`, `address add ${stolen.v6}/128 dev eth0 nodad`)
      for (const [address, source] of [
        [open.v4, stolen.v4],
        [open.v6, stolen.v6],
      ] as const) {
        const before = await dropsOf(weir, 'INVALID_SOURCE_IP', 'egress')
        const answer = await curl(client, urlOf(address, '/'), {
          connectTimeoutMs: SHORT_MS,
          args: ['--interface', source],
        })
        t.equal(answer.exitCode, CURL_TIMED_OUT, source)
        t.ok((await dropsOf(weir, 'INVALID_SOURCE_IP', 'egress')) > before)
        await observer.record({ from: source, to: address, reason: 'INVALID_SOURCE_IP' })
      }
    })

    t.test('UDP follows the same rules', async (t) => {
      for (const port of [53, 54]) {
        const echo = echoDatagrams(server, port)
        t.teardown(() => echo.close())
      }
      for (const host of addressesOf(server)) {
        t.ok(await hearsEcho(client, { host, port: 53 }), `allowed, and the reply passes, ${host}`)
        t.notOk(await hearsEcho(client, { host, port: 54 }, SHORT_MS), 'denied port')
        t.notOk(await hearsEcho(other, { host, port: 53 }, SHORT_MS), 'denied peer')
        const drop = await observer.record({ from: addressOf(client, host), to: host, port: 54 })
        t.match(drop, { l4: { UDP: { destination_port: 54 } }, drop_reason_desc: 'POLICY_DENIED' })
      }
    })

    t.test('ICMP echo passes where nothing is enforced, and nowhere else', async (t) => {
      for (const address of addressesOf(open)) t.ok(await answersPing(client, address), address)
      for (const address of addressesOf(server)) {
        t.notOk(await answersPing(other, address, SHORT_MS), address)
        const isIcmp = ({ IP, Summary }: Flow): boolean => IP.destination === address && /^ICMP/.test(Summary)
        await waitFor(() => observer.flows.some(isIcmp), { what: 'a record of the echo request' })
      }
    })

    t.test('the access log has one line per request, in the fields of Hubble', async (t) => {
      const lines = (): Flow[] => readAccessLog(join(node.workDir, 'access.log'))
      await waitFor(() => lines().length >= judged, { what: 'as many lines as requests' })
      t.equal(lines().length, judged)
      const { localPort } = await curl(client, urlOf(server.v6, '/public/log?q=1'), {
        method: 'POST',
        headers: { host: 'deathstar.example' },
        body: 'x'.repeat(1000),
      })
      judged++
      await waitFor(() => lines().length >= judged, { what: 'one more line' })
      const flow = lines().at(-1)
      t.match(flow, {
        time: /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d+Z$/,
        verdict: 'FORWARDED',
        IP: { source: client.v6, destination: server.v6, ipVersion: 'IPv6' },
        l4: { TCP: { source_port: localPort, destination_port: 80 } },
        source: { ID: Number, identity: Number, namespace: 'default', pod_name: 'client' },
        destination: { ID: Number, identity: Number, namespace: 'default', pod_name: 'server' },
        Type: 'L7',
        traffic_direction: 'INGRESS',
        l7: {
          type: 'REQUEST',
          latency_ns: /^\d+$/,
          http: {
            code: 200,
            method: 'POST',
            protocol: 'HTTP/1.1',
            url: /deathstar\.example\/public\/log\?q=1$/,
          },
        },
        Summary: /^HTTP\/1\.1 POST http/,
        weir: { where: 'proxy', reason: 'RULE_MATCHED', revision: Number },
      })
      t.ok(flow!.source.labels.includes('k8s:app=client'))
      t.ok(flow!.weir.request_bytes! > 1000)
      t.ok(Number(flow!.l7!.latency_ns) > 0)
    })
  })
}

/** The address of a pod or node in the family of another address. */
function addressOf(of: { readonly v4: string; readonly v6: string }, peer: string): string {
  return peer.includes(':') ? of.v6 : of.v4
}

async function nextData(connection: Socket): Promise<Buffer> {
  const [data] = (await once(connection, 'data')) as [Buffer]
  return data
}

function readAccessLog(file: string): Flow[] {
  const lines = readFileSync(file, 'utf8').split('\n').filter(Boolean)
  return lines.map((line) => JSON.parse(line) as Flow)
}
