// Policies, endpoints and devices change while traffic flows: what is allowed goes on, what no longer is ends.
import { once } from 'node:events'
import t from 'tap'
import { addPod, type Cluster, inForce, startCluster } from '../helpers/cluster.ts'
import { curl, CURL_TIMED_OUT } from '../helpers/curl.ts'
import { startHttpServer } from '../helpers/http-server.ts'
import { fromPods, networkPolicy, onHttp, onTcp, type Rule } from '../helpers/network-policy.ts'
import { addressesOf, urlOf } from '../helpers/node-namespace.ts'
import { startNginx } from '../helpers/nginx.ts'
import { dropsOf, Observer } from '../helpers/observed.ts'
import { canRunPrivileged } from '../helpers/privileges.ts'
import { RawHttpClient } from '../helpers/raw-http.ts'
import { steadyRequests } from '../helpers/steady-requests.ts'
import { connected, type EchoListener, listenAndEcho, tryDial } from '../helpers/tcp.ts'
import { endpointOf, tellsOfDevice } from '../helpers/weir-process.ts'
import { waitFor } from '../helpers/wait.ts'

const SHORT_MS = 300
const [WEB, BUSY, ECHO] = [80, 8080, 7] as const
const CHANGES = 12

const allowing = (...ingress: readonly Rule[]): unknown => networkPolicy('server', { ingress })
const web = (path: string): Rule => ({ ...fromPods('client'), ...onHttp(WEB, { path }) })
const busy = (path: string): Rule => ({ ...fromPods('client'), ...onHttp(BUSY, { path }) })
const echoOnTcp = { ...fromPods('client'), ...onTcp(ECHO) }
const ALL = allowing(web('/.*'), busy('/.*'), echoOnTcp)

if (canRunPrivileged(t)) {
  t.test('updates', async (t) => {
    const cluster = await startCluster(t, {
      pods: ['client', 'other', 'server'],
      policies: { 'server.yaml': ALL },
      args: () => ['--workers', '2'],
    })
    const { node, weir, pods, endpoints } = cluster
    const { client, other, server } = pods
    const set = (policy: unknown): Promise<void> =>
      inForce(weir, () => weir.writePolicy('server.yaml', policy))
    const site = await startHttpServer(server, { port: WEB })
    const echo = await listenAndEcho(server, ECHO)
    await startNginx(server, { port: BUSY, directory: node.workDir })
    const observer = new Observer(weir)
    t.teardown(() => [site, echo].forEach((listening) => listening.close()))
    t.beforeEach(() => set(ALL))

    t.test(
      'under load no connection is reset, and each answer is by the old or the new policy',
      async (t) => {
        const wrk = client.exec(['wrk', '-t', '1', '-c', '16', '-d', '4', urlOf(server.v4, '/', BUSY)])
        const steady = await steadyRequests(
          client,
          { host: server.v6, port: WEB },
          { path: '/a', connections: 8 },
        )
        for (let change = 0; change < CHANGES; change++) {
          const status = change % 2 === 0 ? 403 : 200
          steady.mayBe(200, 403)
          await set(
            allowing(web(status === 200 ? '/a' : '/b'), busy(status === 200 ? '/' : '/no'), echoOnTcp),
          )
          // From here on only the new policy: also for requests that are sent now on old connections.
          steady.mayBe(status)
          await steady.answers(50)
        }
        const { answered, unexpected, broken } = steady.stop()
        t.strictSame({ unexpected, broken }, { unexpected: [], broken: [] }, `of ${answered} answers`)
        const report = (await wrk).stdout.toString()
        t.notMatch(report, /Socket errors/, 'wrk saw no broken connection')
        t.match(report, /Non-2xx or 3xx responses: [1-9]/, 'and denials')
        t.match(report, /[1-9]\d* requests in/)
      },
    )

    t.test('a request on a connection that lives is judged by the policy of now', async (t) => {
      for (const host of addressesOf(server)) {
        await set(ALL)
        const http = await RawHttpClient.open(client, { host, port: WEB })
        http.get('/secret')
        t.equal((await http.response()).status, 200, host)
        await set(allowing(web('/public')))
        http.get('/secret')
        t.equal((await http.response()).status, 403, 'revoked')
        await set(ALL)
        http.get('/secret')
        t.equal((await http.response()).status, 200, 'and given back')
        http.close()
      }
    })

    t.test('a peer that is no longer allowed at all loses its proxied connections', async (t) => {
      const http = await RawHttpClient.open(client, { host: server.v4, port: WEB })
      http.get('/a')
      t.equal((await http.response()).status, 200)
      await set(allowing(echoOnTcp))
      t.equal(await http.ended, 'ECONNRESET')
    })

    t.test('a revoked L4 rule cuts a live flow at its next packet', async (t) => {
      for (const host of addressesOf(server)) {
        await set(ALL)
        const connection = await connected(client, { host, port: ECHO })
        await echoes(connection, 'before')
        await set(allowing(web('/.*')))
        const before = await dropsOf(weir, 'POLICY_DENIED', 'ingress')
        const received = bytesAt(echo)
        connection.write('after')
        await waitFor(async () => (await dropsOf(weir, 'POLICY_DENIED', 'ingress')) > before, {
          what: 'a drop',
        })
        t.equal(bytesAt(echo), received, `nothing arrives, ${host}`)
        connection.destroy()
      }
    })

    t.test('a flow that comes under L7 rules is reset, and comes back through the proxy', async (t) => {
      for (const host of addressesOf(server)) {
        await set(allowing({ ...fromPods('client'), ...onTcp(WEB) }))
        const direct = await RawHttpClient.open(client, { host, port: WEB })
        direct.get('/secret')
        t.equal((await direct.response()).status, 200, `not judged, ${host}`)
        await set(allowing(web('/public')))
        direct.get('/secret')
        t.equal(await direct.ended, 'ECONNRESET')
        t.equal((await curl(client, urlOf(host, '/secret'))).status, 403)
        t.equal((await curl(client, urlOf(host, '/public'))).status, 200)
      }
    })

    t.test('other labels are another identity, at once', async (t) => {
      const relabelled = endpoints.map((endpoint) =>
        endpoint.name === 'other' ? { ...endpoint, labels: { app: 'client' } } : endpoint,
      )
      for (const host of addressesOf(server)) {
        t.equal(await tryDial(other, { host, port: WEB }, SHORT_MS), 'timeout', `before, ${host}`)
        await inForce(weir, () => weir.writeEndpoints(relabelled))
        t.equal((await curl(other, urlOf(host, '/promoted'))).status, 200, 'as a client')
        const flow = await observer.record({ to: host, path: '/promoted' })
        t.match(flow.source, { pod_name: 'other', identity: await identityOf(cluster, 'client') })
        const live = await RawHttpClient.open(other, { host, port: WEB })
        await inForce(weir, () => weir.writeEndpoints(endpoints))
        live.get('/demoted')
        t.equal(await tryDial(other, { host, port: WEB }, SHORT_MS), 'timeout', 'no longer')
        t.notOk(site.requests.some(({ path }) => path === '/demoted'))
        // Not by FIN: the dropped request would be sent again, and pass, when the pod is a client once more.
        live.socket.resetAndDestroy()
      }
    })

    t.test('a device that goes and comes back is enforced again', async (t) => {
      node.disconnect(server)
      await weir.waitForLog(tellsOfDevice('device gone', server.device), {
        what: 'that the device is gone',
      })
      const listed = (await weir.cli(['endpoint', 'list'])).stdout.toString()
      t.match(listed, /default\/server .*waiting-for-device/)
      node.connect(server)
      await weir.waitForLog(tellsOfDevice('endpoint attached', server.device), {
        what: 'that the endpoint is attached',
      })
      await set(allowing(web('/public')))
      for (const host of addressesOf(server)) {
        t.equal((await curl(client, urlOf(host, '/public'))).status, 200, host)
        t.equal((await curl(client, urlOf(host, '/secret'))).status, 403)
        t.equal(await tryDial(other, { host, port: WEB }, SHORT_MS), 'timeout')
        t.equal(await tryDial(node, { host, port: WEB }, SHORT_MS), 'timeout', 'also from the host')
      }
    })

    t.test('endpoints come and go while the traffic of others goes on', async (t) => {
      const steady = await steadyRequests(
        client,
        { host: server.v4, port: WEB },
        { path: '/a', connections: 4 },
      )
      steady.mayBe(200)
      const late = addPod(node, 'late')
      await inForce(weir, () => weir.writeEndpoints([...endpoints, endpointOf(late, { app: 'client' })]))
      for (const host of addressesOf(server)) {
        t.equal((await curl(late, urlOf(host, '/late'))).status, 200, host)
      }
      await inForce(weir, () => weir.writeEndpoints(endpoints))
      for (const host of addressesOf(server)) {
        const attempt = await curl(late, urlOf(host, '/late'), { connectTimeoutMs: SHORT_MS })
        t.equal(attempt.exitCode, CURL_TIMED_OUT, `a stranger now, ${host}`)
      }
      await inForce(weir, () => weir.writeEndpoints(endpoints.filter(({ name }) => name !== 'other')))
      await steady.answers(50)
      const { unexpected, broken } = steady.stop()
      t.strictSame({ unexpected, broken }, { unexpected: [], broken: [] })
      t.notMatch(node.execSync(['tc', 'filter', 'show', 'dev', other.device, 'ingress']), /weir/)
      t.strictSame((await curl(other, urlOf(late.v4, '/'), { connectTimeoutMs: SHORT_MS })).exitCode, 7)
      await inForce(weir, () => weir.writeEndpoints(endpoints))
    })
  })

  t.test('without endpoints and policies Weir is ready, and takes what comes', async (t) => {
    const { weir, pods } = await startCluster(t, { pods: [], strangers: ['client', 'server'] })
    const { client, server } = pods
    const site = await startHttpServer(server, { port: WEB })
    t.teardown(() => site.close())
    t.equal((await curl(client, urlOf(server.v4, '/a'))).status, 200, 'nobody is under policy')
    await inForce(weir, () => {
      weir.writePolicy('server.yaml', allowing(web('/b')))
      weir.writeEndpoints([endpointOf(client, { app: 'client' }), endpointOf(server, { app: 'server' })])
    })
    await waitFor(async () => (await curl(client, urlOf(server.v6, '/a'))).status === 403, {
      what: 'the policy to be enforced',
    })
    t.equal((await curl(client, urlOf(server.v6, '/b'))).status, 200)
  })
}

function bytesAt(echo: EchoListener): number {
  return echo.connections.reduce((total, { socket }) => total + socket.bytesRead, 0)
}

async function echoes(connection: Awaited<ReturnType<typeof connected>>, text: string): Promise<void> {
  connection.write(text)
  await once(connection, 'data')
}

async function identityOf({ weir }: Cluster<string>, name: string): Promise<number> {
  const { endpoints } = (await weir.json('endpoint', 'list')) as {
    endpoints: { name: string; identity: number }[]
  }
  return endpoints.find((endpoint) => endpoint.name === name)?.identity ?? -1
}
