// HTTP/2 and gRPC through the real datapath: curl, nghttp, h2load, Node and grpc-js before Node, nginx and grpc-js.
import { createHash, randomBytes } from 'node:crypto'
import { once } from 'node:events'
import http from 'node:http'
import http2 from 'node:http2'
import net from 'node:net'
import { join } from 'node:path'
import t, { type Test } from 'tap'
import { type Flow } from '../../src/lib/flow.ts'
import { packageRoot } from '../../src/lib/paths.ts'
import { startCluster } from '../helpers/cluster.ts'
import { curl } from '../helpers/curl.ts'
import { type GrpcReport } from '../helpers/grpc-peer.ts'
import { answerTo, connectHttp2, request } from '../helpers/http2-client.ts'
import { fromPods, networkPolicy, onHttp } from '../helpers/network-policy.ts'
import { startNginx } from '../helpers/nginx.ts'
import { addressesOf, urlOf } from '../helpers/node-namespace.ts'
import { Observer } from '../helpers/observed.ts'
import { canRunPrivileged } from '../helpers/privileges.ts'
import { listenIn } from '../helpers/tcp.ts'
import { waitFor } from '../helpers/wait.ts'

const [BOTH, NGINX, GRPC] = [80, 81, 50051] as const
const PRIOR_KNOWLEDGE = ['--http2-prior-knowledge']
const DENIED_BODY = 'not for you'
/** For the longest of the commands, which take some seconds. */
const SLOW_MS = 240_000
const GRPC_PEER = join(packageRoot(), 'dist', 'test', 'helpers', 'grpc-peer.js')
const sha256 = (data: Buffer): string => createHash('sha256').update(data).digest('hex')

/** Answers in the client's version, HTTP/1.1 or HTTP/2, on one port. */
async function serveBoth(
  pod: Parameters<typeof listenIn>[0],
  onStream: (stream: http2.ServerHttp2Stream, headers: http2.IncomingHttpHeaders) => void,
): Promise<{ close(): void }> {
  const old = http.createServer((incoming, response) => void response.end(`1.1 ${incoming.url ?? ''}`))
  const server = http2.createServer({ settings: { enableConnectProtocol: true } })
  server.on('stream', (stream, headers) => {
    stream.on('error', () => undefined)
    onStream(stream, headers)
  })
  const sockets = new Set<net.Socket>()
  const front = net.createServer((socket) => {
    sockets.add(socket)
    socket.on('error', () => undefined)
    socket.once('readable', () => {
      const first = socket.read() as Buffer | null
      if (first === null) return
      socket.unshift(first)
      ;(first.subarray(0, 3).toString() === 'PRI' ? server : old).emit('connection', socket)
    })
  })
  await listenIn(pod, front, BOTH)
  return {
    close() {
      front.close()
      for (const socket of sockets) socket.destroy()
    },
  }
}

if (canRunPrivileged(t)) {
  t.setTimeout(500_000)
  t.test('http2', async (t) => {
    const rules = [BOTH, NGINX].map((port) => ({
      ...fromPods('client'),
      ...onHttp(port, { path: '/ok.*' }, { method: 'GET', path: '/chat' }),
    }))
    const calls = ['Unary', 'Download', 'Upload', 'Chat'].map((name) => ({
      method: 'POST',
      path: `/test.Echo/${name}`,
    }))
    const { pods, weir, node } = await startCluster(t, {
      pods: ['client', 'server'],
      policies: {
        'server.yaml': networkPolicy('server', {
          ingress: [...rules, { ...fromPods('client'), ...onHttp(GRPC, ...calls) }],
        }),
      },
      args: () => ['--denied-403-body', DENIED_BODY],
    })
    const { client, server } = pods
    const observer = new Observer(weir)
    const paths: string[] = []
    const big = randomBytes(5_000_000)
    const both = await serveBoth(server, (stream, headers) => {
      paths.push(headers[':path'] ?? '')
      if (headers[':path'] === '/ok/interim') stream.additionalHeaders({ ':status': 103, link: '</style>' })
      if (headers[':path'] === '/ok/push') stream.session?.goaway(0)
      stream.respond({ ':status': 200, 'x-method': headers[':method'] ?? '' }, { waitForTrailers: true })
      stream.on('wantTrailers', () => stream.sendTrailers({ 'x-checked': 'yes' }))
      if (headers[':path'] === '/ok/big') stream.end(big)
      else stream.pipe(stream)
    })
    const nginx = await startNginx(server, {
      directory: join(node.workDir, 'nginx'),
      port: NGINX,
      isHttp2: true,
      files: { '/ok.bin': big },
    })
    t.teardown(async () => {
      both.close()
      await nginx.stop()
    })

    t.test('curl, over IPv4 and IPv6, and HTTP/1.1 on the same port', async (t) => {
      for (const address of addressesOf(server)) {
        const url = (path: string): string => urlOf(address, path, BOTH)
        const allowed = await curl(client, url('/ok/1'), {
          args: PRIOR_KNOWLEDGE,
          body: 'hello',
          method: 'PUT',
        })
        t.match(allowed, { status: 200, exitCode: 0 }, address)
        t.equal(allowed.body.toString(), 'hello')
        const denied = await curl(client, url('/secret'), { args: PRIOR_KNOWLEDGE })
        t.match(denied, { status: 403, exitCode: 0 })
        t.equal(denied.body.toString(), DENIED_BODY)
        const old = await curl(client, url('/ok/1'), { args: ['--http1.1'] })
        t.equal(old.body.toString(), '1.1 /ok/1')
        t.equal((await curl(client, url('/secret'), { args: ['--http1.1'] })).status, 403)
        // Two workers tell of them in any order.
        const dropped = (): Flow[] => observer.matching({ to: address, path: '/secret', verdict: 'DROPPED' })
        await waitFor(() => dropped().length === 2, { what: `both denials in the records, ${address}` })
        t.same(
          dropped()
            .map(({ l7 }) => l7?.http?.protocol)
            .sort(),
          ['HTTP/1.1', 'HTTP/2'],
        )
        for (const flow of dropped()) {
          t.match(flow, { l7: { http: { code: 403 } }, drop_reason_desc: 'POLICY_DENIED' })
        }
      }
      t.notOk(paths.some((path) => path.startsWith('/secret')))
    })

    t.test('nginx: files, many streams, denials between them', async (t) => {
      const [address = ''] = addressesOf(server)
      const file = await curl(client, urlOf(address, '/ok.bin', NGINX), { args: PRIOR_KNOWLEDGE })
      t.equal(sha256(file.body), sha256(big))
      const urls = ['/ok/a', '/secret', '/ok.bin', '/secret', '/ok/b'].map((path) =>
        urlOf(address, path, NGINX),
      )
      const { stdout } = await client.exec(['nghttp', '--null-out', '--stat', '--no-verify-peer', ...urls], {
        check: false,
      })
      const statuses = [...stdout.toString().matchAll(/ (\d{3}) +\S+ (\/\S+)$/gm)].map(([, status, path]) => [
        path,
        status,
      ])
      t.same(
        statuses.sort(),
        [
          ['/ok.bin', '200'],
          ['/ok/a', '200'],
          ['/ok/b', '200'],
          ['/secret', '403'],
        ],
        'nghttp asks for equal URLs once',
      )
    })

    t.test('h2load: 20,000 requests, half of them denied', async (t) => {
      const [address = ''] = addressesOf(server)
      const urls = ['/ok/load', '/secret/load'].map((path) => urlOf(address, path, NGINX))
      const command = ['h2load', '-n', '20000', '-c', '16', '-m', '32', ...urls]
      const { stdout } = await client.exec(command, { timeoutMs: SLOW_MS })
      t.match(
        stdout.toString(),
        /requests: 20000 total, 20000 started, 20000 done, 10000 succeeded, 10000 failed, 0 errored, 0 timeout/,
      )
      t.match(stdout.toString(), /status codes: 10000 2xx, 0 3xx, 10000 4xx, 0 5xx/)
    })

    t.test('h2load: bodies, with windows of every size', async (t) => {
      const [address = ''] = addressesOf(server)
      for (const windowBits of ['14', '16', '24']) {
        const command = ['h2load', '-n', '40', '-c', '4', '-m', '10', '-w', windowBits, '-W', windowBits]
        const urls = ['/ok.bin', '/secret'].map((path) => urlOf(address, path, NGINX))
        const { stdout } = await client.exec([...command, ...urls], { timeoutMs: SLOW_MS })
        t.match(stdout.toString(), /status codes: 20 2xx, 0 3xx, 20 4xx, 0 5xx/, `2^${windowBits}`)
      }
    })

    t.test('Node: interim responses, trailers, bodies both ways, extended CONNECT', async (t) => {
      const [host = ''] = addressesOf(server)
      const session = await connectHttp2(client, { host, port: BOTH })
      t.teardown(() => session.destroy())
      const interim = session.request({ ':path': '/ok/interim' })
      let early: http2.IncomingHttpHeaders = {}
      interim.on('headers', (headers) => (early = headers))
      t.equal((await answerTo(interim)).status, 200)
      t.match(early, { ':status': 103, link: '</style>' })
      const answers = await Promise.all(
        Array.from({ length: 40 }, (_, i) =>
          request(
            session,
            { ':method': 'POST', ':path': i % 2 === 0 ? '/ok/echo' : '/secret' },
            big.subarray(0, 150_000),
          ),
        ),
      )
      for (const [i, { status, body, trailers }] of answers.entries()) {
        t.equal(status, i % 2 === 0 ? 200 : 403)
        if (i % 2 !== 0) continue
        t.ok(body.equals(big.subarray(0, 150_000)))
        t.equal(trailers['x-checked'], 'yes')
      }
      const webSocket = session.request(
        {
          ':method': 'CONNECT',
          ':protocol': 'websocket',
          ':path': '/chat',
          ':scheme': 'http',
          ':authority': 'a',
        },
        { endStream: false },
      )
      webSocket.write('ping')
      const [pong] = (await once(webSocket, 'data')) as [Buffer]
      t.equal(pong.toString(), 'ping')
      webSocket.end()
      t.equal((await answerTo(webSocket)).headers['x-method'], undefined)
      const refused = session.request(
        {
          ':method': 'CONNECT',
          ':protocol': 'websocket',
          ':path': '/secret',
          ':scheme': 'http',
          ':authority': 'a',
        },
        { endStream: false },
      )
      t.equal((await answerTo(refused)).status, 403)
    })

    t.test('a stream that nobody reads stops its sender only', async (t) => {
      const [host = ''] = addressesOf(server)
      const session = await connectHttp2(client, { host, port: BOTH }, { initialWindowSize: 1_000_000 })
      t.teardown(() => session.destroy())
      session.setLocalWindowSize(8_000_000)
      const unread = session.request({ ':path': '/ok/big' })
      for (let i = 0; i < 50; i++)
        t.equal(
          (await request(session, { ':path': i % 2 === 0 ? '/ok' : '/secret' })).status,
          i % 2 === 0 ? 200 : 403,
        )
      t.equal(sha256((await answerTo(unread)).body), sha256(big))
    })

    t.test('GOAWAY of the server reaches the client, which finishes its streams', async (t) => {
      const [host = ''] = addressesOf(server)
      const session = await connectHttp2(client, { host, port: BOTH })
      t.teardown(() => session.destroy())
      const goaway = new Promise((resolve) => session.once('goaway', resolve))
      const stream = session.request({ ':method': 'POST', ':path': '/ok/push' }, { endStream: false })
      await goaway
      stream.end('still here')
      t.equal((await answerTo(stream)).body.toString(), 'still here')
    })

    t.test('grpc-js: 1,000 calls at once, large messages, streams of all kinds', async (t) => {
      const service = server.spawn([process.execPath, GRPC_PEER, 'serve', String(GRPC)])
      t.teardown(() => service.kill())
      let out = ''
      service.stdout?.on('data', (chunk: Buffer) => (out += chunk.toString()))
      await waitFor(() => out.includes('ready'), { what: 'the gRPC server' })
      for (const [i, host] of addressesOf(server).entries()) {
        const target = i === 0 ? `${host}:${GRPC}` : `[${host}]:${GRPC}`
        const { stdout } = await client.exec([process.execPath, GRPC_PEER, 'call', target], {
          timeoutMs: SLOW_MS,
        })
        checkReport(t, JSON.parse(stdout.toString()) as GrpcReport)
        const denied = await observer.record({ to: host, path: '/test.Echo/Secret', verdict: 'DROPPED' })
        t.match(denied, {
          Summary: 'gRPC test.Echo/Secret',
          weir: { grpc_status: 7 },
          l7: { http: { code: 200 } },
        })
        const flow = await observer.record({ to: host, path: '/test.Echo/Chat' })
        t.match(flow, { Summary: 'gRPC test.Echo/Chat', verdict: 'FORWARDED', weir: { grpc_status: 0 } })
      }
    })
  })
}

function checkReport(t: Test, report: GrpcReport): void {
  t.same(report.unary, { 0: 334, 5: 333, 7: 333 })
  t.equal(report.mismatches, 0)
  t.equal(report.deniedMessage, DENIED_BODY)
  t.equal(report.largeBytes, 20_000_000)
  t.equal(report.serverStreamed, 3_000)
  t.equal(report.clientStreamed, 3_000)
  t.equal(report.bidiEchoed, 3_000)
  t.ok(report.bidiAhead < 2_500, `back-pressure: ${report.bidiAhead} messages ahead`)
  t.same(report.deniedBidi, { code: 7, message: DENIED_BODY })
  t.equal(report.afterwards, 0)
}
