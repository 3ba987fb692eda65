// What a connection is to its two ends: bytes, order, back-pressure, FIN and RST arrive as if no proxy were there.
import { createHash, randomBytes } from 'node:crypto'
import { once } from 'node:events'
import { readdirSync, readFileSync } from 'node:fs'
import net, { type Socket } from 'node:net'
import t from 'tap'
import { type Cluster, startCluster } from '../helpers/cluster.ts'
import { curl, curlEach } from '../helpers/curl.ts'
import { Mailbox } from '../helpers/events.ts'
import { startHttpServer } from '../helpers/http-server.ts'
import { fromPods, networkPolicy, onHttp } from '../helpers/network-policy.ts'
import { addressesOf, urlOf } from '../helpers/node-namespace.ts'
import { Observer, proxyTotals } from '../helpers/observed.ts'
import { canRunPrivileged } from '../helpers/privileges.ts'
import { RawHttpClient } from '../helpers/raw-http.ts'
import { connected, dial, listenIn } from '../helpers/tcp.ts'
import { waitFor } from '../helpers/wait.ts'

/** Where the HTTP server, the raw server and nobody listens. */
const [WEB, RAW, NOBODY] = [80, 8000, 8001] as const
const SHORT_CONNECTIONS = 1000
const BIG_BYTES = 64 * 1024 * 1024

const mayGetOk = [WEB, RAW, NOBODY].map((port) => ({
  ...fromPods('client'),
  ...onHttp(port, { path: '/ok.*' }),
}))

if (canRunPrivileged(t)) {
  t.test('transfer', async (t) => {
    const cluster = await startCluster(t, {
      pods: ['client', 'server', 'second'],
      policies: {
        'server.yaml': networkPolicy('server', { ingress: mayGetOk }),
        'second.yaml': networkPolicy('second', { ingress: mayGetOk }),
      },
      args: () => ['--workers', '2'],
    })
    const { weir } = cluster
    const { client, server, second } = cluster.pods
    const file = randomBytes(10_000_000)
    const web = await startHttpServer(server, { port: WEB, files: { '/ok/file': file } })
    const secondWeb = await startHttpServer(second, { port: WEB })
    /** Connections to the raw server, in order. */
    const accepted = new Mailbox<Socket>()
    const raw = net.createServer({ allowHalfOpen: true, pauseOnConnect: true }, accepted.push)
    await listenIn(server, raw, RAW)
    const observer = new Observer(weir)
    t.teardown(() => [web, secondWeb, raw].forEach((listening) => listening.close()))

    t.test('10 MB go both ways unchanged', async (t) => {
      for (const address of addressesOf(server)) {
        const download = await curl(client, urlOf(address, '/ok/file'))
        t.equal(digest(download.body), digest(file), `download, ${address}`)
        const upload = await curl(client, urlOf(address, '/ok/up'), { method: 'PUT', body: file })
        t.equal(upload.status, 200, `upload, ${address}`)
        t.match(web.requests.at(-1), { bodyBytes: file.length, bodySha256: digest(file) })
      }
    })

    t.test(
      `${SHORT_CONNECTIONS} short connections leave nothing behind, and both workers take part`,
      async (t) => {
        const before = openFiles(cluster)
        const urls = Array.from({ length: SHORT_CONNECTIONS }, (_, i) =>
          urlOf(addressesOf(server)[i % 2]!, `/ok/${i}`, WEB),
        )
        const [connections, requests] = [web.connections(), web.requests.length]
        const runs = [0, 1, 2, 3].map((part) =>
          curlEach(
            client,
            urls.filter((_, i) => i % 4 === part),
            ['Connection: close'],
          ),
        )
        const answers = (await Promise.all(runs)).flat()
        t.equal(answers.filter(({ status }) => status === 200).length, SHORT_CONNECTIONS)
        t.equal(web.connections() - connections, SHORT_CONNECTIONS)
        const paths = new Set(web.requests.slice(requests).map(({ path }) => path))
        t.equal(paths.size, SHORT_CONNECTIONS, 'each reached the server once')
        await waitFor(() => openFiles(cluster) <= before, { what: 'the workers to close what they opened' })
        const totals = await proxyTotals(weir, requests + SHORT_CONNECTIONS)
        t.equal(totals.connections.length, 2)
        for (const count of totals.connections) t.ok(count > SHORT_CONNECTIONS / 10, `a worker took ${count}`)
      },
    )

    t.test('allowed and denied requests share one connection and are answered in order', async (t) => {
      for (const host of addressesOf(server)) {
        const accepted = web.connections()
        const http = await RawHttpClient.open(client, { host, port: WEB })
        for (const [path, status] of [
          ['/ok/1', 200],
          ['/no', 403],
          ['/ok/2', 200],
        ] as const) {
          http.get(path)
          t.equal((await http.response()).status, status, `${host}${path}`)
        }
        http.get('/ok/a', '/no/b', '/no/c', '/ok/d', '/no/e', '/ok/f')
        const answers = []
        for (let i = 0; i < 6; i++) answers.push(await http.response())
        t.strictSame(
          answers.map(({ status }) => status),
          [200, 403, 403, 200, 403, 200],
          'pipelined',
        )
        const echoed = answers.flatMap(({ body, status }) =>
          status === 200 ? [/"path":"([^"]*)"/.exec(body)?.[1]] : [],
        )
        t.strictSame(echoed, ['/ok/a', '/ok/d', '/ok/f'])
        t.equal(web.connections() - accepted, 1)
        http.close()
      }
    })

    t.test('one source port to two servers at a time', async (t) => {
      const port = WEB
      for (const i of [0, 1] as const) {
        const [a, b] = [addressesOf(server)[i]!, addressesOf(second)[i]!]
        const localPort = 20_000 + i // none that the kernel gives out
        const first = await RawHttpClient.open(client, { host: a, port }, { localPort })
        const other = await RawHttpClient.open(client, { host: b, port }, { localPort })
        first.get('/ok/first')
        other.get('/ok/other')
        t.equal((await first.response()).status, 200, a)
        t.equal((await other.response()).status, 200, b)
        t.equal(web.requests.at(-1)?.path, '/ok/first')
        t.equal(secondWeb.requests.at(-1)?.path, '/ok/other')
        for (const http of [first, other]) http.socket.resetAndDestroy()
      }
    })

    t.test('FIN of the client reaches the server, whose answer still arrives', async (t) => {
      const host = server.v6
      const connection = await connected(client, { host, port: RAW })
      connection.end('POST /ok/half HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n\r\nhello')
      const atServer = await accepted.take()
      t.match((await readAll(atServer)).toString(), /^POST \/ok\/half [^]*hello$/, 'all, then FIN')
      atServer.end('HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nbye')
      t.match((await readAll(connection)).toString(), /^HTTP\/1\.1 200 [^]*bye$/, 'all, then FIN')
    })

    t.test('FIN of the server ends the answer, while the client has not ended', async (t) => {
      const connection = await connected(client, { host: server.v4, port: RAW })
      connection.write('GET /ok/until-close HTTP/1.0\r\n\r\n')
      const atServer = await accepted.take()
      atServer.end(Buffer.concat([Buffer.from('HTTP/1.0 200 OK\r\n\r\n'), file]))
      const serverEnd = once(atServer.resume(), 'end')
      const answer = await readAll(connection)
      t.equal(digest(answer.subarray(-file.length)), digest(file))
      connection.end()
      await serverEnd
    })

    t.test('RST of either side becomes RST at the other', async (t) => {
      for (const host of addressesOf(server)) {
        for (const isClientFirst of [true, false]) {
          const connection = await connected(client, { host, port: RAW })
          connection.write('POST /ok/reset HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\nhello')
          const atServer = await accepted.take()
          await once(atServer.resume(), 'data')
          const [breaks, learns] = isClientFirst ? [connection, atServer] : [atServer, connection]
          const learnt = errorOf(learns.resume())
          breaks.resetAndDestroy()
          t.equal(await learnt, 'ECONNRESET', `${host}, ${isClientFirst ? 'client' : 'server'} first`)
        }
      }
    })

    t.test('a slow receiver stops the sender, not the memory of the proxy', async (t) => {
      const head = `Host: x\r\nContent-Length: ${BIG_BYTES}\r\n\r\n`
      for (const isUpload of [true, false]) {
        const connection = await connected(client, { host: server.v4, port: RAW })
        connection.pause()
        connection.write(
          isUpload ? `POST /ok/slow HTTP/1.1\r\n${head}` : 'GET /ok/slow HTTP/1.1\r\nHost: x\r\n\r\n',
        )
        const atServer = await accepted.take()
        if (!isUpload) atServer.write(`HTTP/1.1 200 OK\r\n${head}`)
        const [sender, receiver] = isUpload ? [connection, atServer] : [atServer, connection]
        const before = residentBytes(cluster)
        const sent = sendBody(sender)
        await standsStill(() => sender.bytesWritten - sender.writableLength)
        t.ok(sender.bytesWritten < BIG_BYTES, `${isUpload ? 'upload' : 'download'} waits`)
        const grown = residentBytes(cluster) - before
        t.ok(grown < 16 * 1024 * 1024, `the workers have grown by ${grown} bytes`)
        t.equal(await receiveBody(receiver), await sent, 'all arrives when it is read')
        for (const socket of [connection, atServer]) socket.destroy()
      }
    })

    t.test('a server that refuses the connection is an RST to the client', async (t) => {
      for (const host of addressesOf(server)) {
        // The proxy has accepted when it learns that the server does not.
        t.equal(await errorOf(dial(client, { host, port: NOBODY })), 'ECONNRESET', host)
      }
    })

    t.test('bytes that are not HTTP get 400, never reach the server, and leave a record', async (t) => {
      for (const host of addressesOf(server)) {
        const { stdout } = await client.exec(['nc', '-N', '-w', '5', host, String(RAW)], {
          input: 'EHLO client.example\r\n',
        })
        t.match(stdout.toString(), /^HTTP\/1\.1 400 /, host)
        const flow = await observer.record({ to: host, port: RAW, reason: 'HTTP_BAD_REQUEST_LINE' })
        t.match(flow, {
          verdict: 'DROPPED',
          drop_reason_desc: 'HTTP_BAD_REQUEST_LINE',
          l7: { http: { code: 400 } },
        })
        const atServer = await accepted.take()
        t.equal((await readAll(atServer).catch(() => Buffer.alloc(0))).length, 0)
      }
    })
  })
}

function digest(bytes: Buffer): string {
  return createHash('sha256').update(bytes).digest('hex')
}

function workersOf({ weir }: Cluster<string>): number[] {
  return weir.processes().flatMap(({ pid, command }) => (command === 'proxy' ? [pid] : []))
}

function openFiles(cluster: Cluster<string>): number {
  return workersOf(cluster).reduce((total, pid) => total + readdirSync(`/proc/${pid}/fd`).length, 0)
}

function residentBytes(cluster: Cluster<string>): number {
  return workersOf(cluster).reduce((total, pid) => {
    const kilobytes = /^VmRSS:\s+(\d+)/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1]
    return total + Number(kilobytes) * 1024
  }, 0)
}

async function readAll(socket: Socket): Promise<Buffer> {
  const chunks: Buffer[] = []
  for await (const chunk of socket.iterator({ destroyOnReturn: false })) chunks.push(chunk as Buffer)
  return Buffer.concat(chunks)
}

/** The errno name with which the socket breaks. */
async function errorOf(socket: Socket): Promise<string> {
  const [error] = (await once(socket, 'error')) as [NodeJS.ErrnoException]
  return error.code ?? error.message
}

/** BIG_BYTES as fast as they are taken. @returns their digest */
async function sendBody(socket: Socket): Promise<string> {
  const hash = createHash('sha256')
  const chunk = randomBytes(64 * 1024)
  for (let sent = 0; sent < BIG_BYTES; sent += chunk.length) {
    hash.update(chunk)
    if (!socket.write(chunk)) await once(socket, 'drain')
  }
  return hash.digest('hex')
}

/** @returns the digest of the BIG_BYTES that follow the head */
async function receiveBody(socket: Socket): Promise<string> {
  const hash = createHash('sha256')
  let head: Buffer | undefined = Buffer.alloc(0)
  let received = 0
  for await (const chunk of socket.iterator({ destroyOnReturn: false })) {
    let data = chunk as Buffer
    if (head !== undefined) {
      head = Buffer.concat([head, data])
      const end = head.indexOf('\r\n\r\n')
      if (end < 0) continue
      data = head.subarray(end + 4)
      head = undefined
    }
    hash.update(data)
    received += data.length
    if (received >= BIG_BYTES) break
  }
  return hash.digest('hex')
}

/** Resolves when `progress` has not moved for 300 ms. */
async function standsStill(progress: () => number): Promise<void> {
  let [seen, sinceMs] = [-1, 0]
  await waitFor(
    () => {
      const now = progress()
      if (now !== seen) [seen, sinceMs] = [now, performance.now()]
      return seen > 0 && performance.now() - sinceMs > 300
    },
    { what: 'the sender to stand still' },
  )
}
