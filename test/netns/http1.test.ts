// What HTTP/1.x applications do, through the real datapath, with real clients and servers.
import http from 'node:http'
import net, { type Socket } from 'node:net'
import t, { type Test } from 'tap'
import { startCluster } from '../helpers/cluster.ts'
import { curl, type CurlOptions, type CurlResult } from '../helpers/curl.ts'
import { Mailbox } from '../helpers/events.ts'
import { startHttpServer } from '../helpers/http-server.ts'
import { fromPods, networkPolicy, onHttp } from '../helpers/network-policy.ts'
import { startNginx } from '../helpers/nginx.ts'
import { addressesOf, urlOf } from '../helpers/node-namespace.ts'
import { Observer } from '../helpers/observed.ts'
import { canRunPrivileged } from '../helpers/privileges.ts'
import { RawHttpClient } from '../helpers/raw-http.ts'
import { connected, listenIn } from '../helpers/tcp.ts'
import { startWebSocketEcho, WebSocketClient } from '../helpers/websocket.ts'

const [WEB, RAW, WS, PROXY, INNER, NGINX, ODD] = [80, 8000, 8001, 3128, 8080, 8081, 8082] as const
const BIG = Buffer.alloc(20_000_000, 'weir')
const CONNECT_FAILED = 56

if (canRunPrivileged(t)) {
  t.test('HTTP/1.x', async (t) => {
    const cluster = await startCluster(t, {
      pods: ['client', 'server'],
      policies: {
        'server.yaml': networkPolicy('server', {
          ingress: [
            ...[WEB, RAW, WS, NGINX, ODD].map((port) => ({
              ...fromPods('client'),
              ...onHttp(port, { path: '/ok.*' }),
            })),
            { ...fromPods('client'), ...onHttp(PROXY, { method: 'CONNECT', host: 'inner\\.example' }) },
          ],
        }),
      },
    })
    const { client, server } = cluster.pods
    const observer = new Observer(cluster.weir)
    const web = await startHttpServer(server, { port: WEB })
    const odd = await listenIn(server, http.createServer(answerOddly), ODD)
    await startNginx(server, { directory: cluster.node.workDir, port: NGINX })
    const accepted = new Mailbox<Socket>()
    const raw = net.createServer({ allowHalfOpen: true }, (socket) => {
      socket.on('error', () => undefined)
      accepted.push(socket)
    })
    await listenIn(server, raw, RAW)
    t.teardown(() => {
      for (const listening of [web, raw, odd]) listening.close()
      odd.closeAllConnections()
    })

    /** The same on both families. */
    const onBoth = (name: string, check: (t: Test, host: string) => Promise<void>): void => {
      for (const host of addressesOf(server)) t.test(`${name}, ${host}`, (t) => check(t, host))
    }
    const fetch = (
      host: string,
      path: string,
      options?: CurlOptions,
      port: number = WEB,
    ): Promise<CurlResult> => curl(client, urlOf(host, path, port), options)

    onBoth('Expect: 100-continue', async (t, host) => {
      const expecting = { method: 'POST', body: BIG, headers: { Expect: '100-continue' } }
      const allowed = await fetch(host, '/ok/up', expecting)
      t.match(allowed, { status: 200, uploadedBytes: BIG.length })
      t.equal(web.requests.at(-1)?.bodyBytes, BIG.length)
      const denied = await fetch(host, '/no', expecting)
      t.match(denied, { status: 403, exitCode: 0, uploadedBytes: 0 }, 'denied before the body is sent')
    })

    onBoth('answers without a body', async (t, host) => {
      for (const [method, path, status] of [
        ['GET', '/ok/204', 204],
        ['GET', '/ok/304', 304],
        ['HEAD', '/ok/head', 200],
        ['HEAD', '/no', 403],
      ] as const) {
        const http = await RawHttpClient.open(client, { host, port: ODD })
        http.socket.write(`${method} ${path} HTTP/1.1\r\nHost: x\r\n\r\n`)
        const head = await readHead(http.socket)
        t.match(head, new RegExp(`^HTTP/1\\.1 ${status} [^]*\r\n\r\n$`), `${method} ${path}`)
        if (method === 'HEAD')
          t.match(head, /content-length: [1-9]/i, 'the length of the body that is not sent')
        http.get('/ok/next')
        t.match(await readHead(http.socket), /^HTTP\/1\.1 200 /, 'and the next one on the same connection')
        http.close()
      }
      t.match(
        await fetch(host, '/ok/a', { args: ['--head'] }, ODD),
        { status: 200, exitCode: 0 },
        'curl agrees',
      )
    })

    onBoth('trailers, both ways', async (t, host) => {
      const socket = await connected(client, { host, port: ODD })
      const chunked = 'TE: trailers\r\nTransfer-Encoding: chunked\r\nConnection: close\r\n\r\n'
      socket.end(`POST /ok/trailers HTTP/1.1\r\nHost: x\r\n${chunked}3\r\nabc\r\n0\r\nX-Sum: 7\r\n\r\n`)
      const answer = await readAll(socket)
      t.match(answer, /^HTTP\/1\.1 200 [^]*\r\nabc\r\n0\r\nX-Got: 7\r\n\r\n$/)
    })

    onBoth('HTTP/1.0', async (t, host) => {
      for (const port of [WEB, NGINX]) {
        t.match(await fetch(host, '/ok/old', { args: ['--http1.0'] }, port), { status: 200, exitCode: 0 })
        t.match(await fetch(host, '/no', { args: ['--http1.0'] }, port), { status: 403, exitCode: 0 })
      }
      const kept = await RawHttpClient.open(client, { host, port: NGINX })
      for (const [path, status] of [
        ['/ok/1', 200],
        ['/no', 403],
        ['/ok/2', 200],
      ] as const) {
        kept.socket.write(`GET ${path} HTTP/1.0\r\nConnection: keep-alive\r\n\r\n`)
        const answer = await kept.response()
        t.equal(answer.status, status, `kept alive: ${path}`)
        t.match(answer.head, /connection: keep-alive/i)
      }
      kept.close()
    })

    onBoth('an answer before the request is complete', async (t, host) => {
      const answer = await fetch(host, '/ok/early', { method: 'PUT', body: BIG }, ODD)
      t.equal(answer.status, 413)
      t.match(await observer.record({ to: host, path: '/ok/early' }), { l7: { http: { code: 413 } } })
    })

    onBoth('a large upload that is denied', async (t, host) => {
      const answer = await fetch(host, '/no', { method: 'PUT', body: BIG, headers: { Expect: '' } })
      t.equal(answer.status, 403)
      const before = web.requests.length
      const stubborn = await RawHttpClient.open(client, { host, port: WEB })
      stubborn.socket.write(`PUT /no HTTP/1.1\r\nHost: x\r\nContent-Length: ${BIG.length}\r\n\r\n`)
      t.equal((await stubborn.response()).status, 403, 'while the body is still to come')
      stubborn.socket.write(BIG)
      stubborn.get('/ok/next')
      t.equal((await stubborn.response()).status, 200, 'the connection survives a client that sends all')
      t.strictSame(
        web.requests.slice(before).map(({ path }) => path),
        ['/ok/next'],
        'the body went nowhere',
      )
      stubborn.close()
    })

    onBoth('a server that closes between requests', async (t, host) => {
      const idle = await RawHttpClient.open(client, { host, port: RAW })
      const atServer = await accepted.take()
      idle.get('/ok/1')
      await new Promise((resolve) => atServer.once('data', resolve))
      atServer.end('HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok')
      t.equal((await idle.response()).status, 200)
      t.equal(await idle.ended, 'end', 'the client learns it')
      idle.close()
    })

    onBoth('a server that closes without an answer', async (t, host) => {
      const waiting = await connected(client, { host, port: RAW })
      const atServer = await accepted.take()
      waiting.write('GET /ok/none HTTP/1.1\r\nHost: x\r\n\r\n')
      await new Promise((resolve) => atServer.once('data', resolve))
      atServer.end()
      t.equal(await readAll(waiting), '', 'no answer is made up: the client may try again')
      t.match(await observer.record({ to: host, path: '/ok/none' }), {
        verdict: 'ERROR',
        drop_reason_desc: 'HTTP_UPSTREAM_CLOSED',
      })
      waiting.destroy()
    })

    onBoth('300 pipelined requests, every third denied', async (t, host) => {
      const pipelining = await RawHttpClient.open(client, { host, port: WEB })
      const paths = Array.from({ length: 300 }, (_, i) => `/${i % 3 === 0 ? 'no' : 'ok'}/${i}`)
      pipelining.get(...paths)
      const got: string[] = []
      for (const path of paths) {
        const { status, body } = await pipelining.response()
        got.push(status === 403 ? path.replace('ok', 'BAD') : (JSON.parse(body) as { path: string }).path)
      }
      t.strictSame(got, paths)
      pipelining.close()
    })

    t.test('WebSocket', async (t) => {
      const echo = await startWebSocketEcho(server, WS)
      t.teardown(() => {
        echo.close()
        echo.closeAllConnections()
      })
      for (const host of addressesOf(server)) {
        const socket = await WebSocketClient.open(client, { host, port: WS }, '/ok/ws')
        for (const text of ['hello', 'GET /no HTTP/1.1', 'x'.repeat(125)]) {
          t.equal(await socket.echo(text), text, host)
        }
        t.equal(await socket.close(), 0x88)
        const record = await observer.record({ to: host, port: WS, path: '/ok/ws' })
        t.match(record, { verdict: 'FORWARDED', l7: { http: { code: 101 } } })
        t.ok(record.weir.request_bytes! > 300 && record.weir.response_bytes! > 250, 'tunnelled bytes count')
        await t.rejects(WebSocketClient.open(client, { host, port: WS }, '/no'), /^HTTP\/1\.1 403 /)
      }
    })

    t.test('CONNECT', async (t) => {
      const inner = await startHttpServer(server, { port: INNER })
      const forward = await listenIn(
        server,
        connectProxy(() => connected(server, { host: '127.0.0.1', port: INNER })),
        PROXY,
      )
      t.teardown(() => [inner, forward].forEach((listening) => listening.close()))
      for (const host of addressesOf(server)) {
        const through = (target: string, port: number): Promise<CurlResult> =>
          curl(client, target, { args: ['--noproxy', '', '--proxytunnel', '--proxy', urlOf(host, '', port)] })
        const allowed = await through('http://inner.example/hello', PROXY)
        t.match(allowed, { status: 200, tunnelStatus: 200 }, 'a rule allows it')
        t.match(JSON.parse(allowed.body.toString()), { path: '/hello' }, 'and then it is a tunnel')
        const record = await observer.record({ to: host, port: PROXY, verdict: 'FORWARDED' })
        t.match(record.l7?.http, { method: 'CONNECT', code: 200 })
        const other = await through('http://other.example/', PROXY)
        t.match(other, { exitCode: CONNECT_FAILED, tunnelStatus: 405 }, 'not to another host')
        const none = await through('http://inner.example/', NGINX)
        t.match(none, { exitCode: CONNECT_FAILED, tunnelStatus: 405 }, 'not without a rule')
        const denied = await observer.record({ to: host, port: PROXY, verdict: 'DROPPED' })
        t.match(denied, {
          weir: { reason: 'HTTP_CONNECT_NOT_ALLOWED' },
          l7: { http: { method: 'CONNECT', code: 405 } },
        })
      }
    })
  })
}

/** By path: no body, an early answer, or one that is chunked and has trailers. */
function answerOddly(request: http.IncomingMessage, response: http.ServerResponse): void {
  const status = /^\/ok\/(\d+)$/.exec(request.url ?? '')?.[1]
  if (status !== undefined) response.writeHead(Number(status)).end()
  else if (request.url === '/ok/early') {
    response.writeHead(413).end('too large')
    request.resume()
  } else if (request.url === '/ok/trailers') {
    let body = ''
    request.on('data', (chunk: Buffer) => (body += chunk.toString()))
    request.on('end', () => {
      response.writeHead(200, { Trailer: 'X-Got' })
      response.write(body)
      response.addTrailers({ 'X-Got': request.trailers['x-sum'] ?? 'none' })
      response.end()
    })
  } else response.writeHead(200, { 'Content-Length': 9 }).end('some text')
}

/** A forward proxy for CONNECT alone. */
function connectProxy(dial: () => Promise<Socket>): http.Server {
  const server = http.createServer()
  server.on('connect', (_request: http.IncomingMessage, socket: Socket) => {
    void dial().then((target) => {
      for (const end of [socket, target]) end.on('error', () => undefined)
      socket.write('HTTP/1.1 200 Connection established\r\n\r\n')
      socket.pipe(target).pipe(socket)
    })
  })
  return server
}

/** The bytes of one head and no more: what follows must come later. */
async function readHead(socket: Socket): Promise<string> {
  let head = ''
  while (!head.includes('\r\n\r\n'))
    head += await new Promise((resolve) => socket.once('data', resolve)).then(String)
  return head
}

async function readAll(socket: Socket): Promise<string> {
  let text = ''
  for await (const chunk of socket.iterator({ destroyOnReturn: false }))
    text += (chunk as Buffer).toString('latin1')
  return text
}
