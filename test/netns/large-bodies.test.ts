// 1 GB each way: all of it, in order, while the worker keeps next to nothing of it.
import { createHash, randomBytes } from 'node:crypto'
import { once } from 'node:events'
import http from 'node:http'
import net, { type Socket } from 'node:net'
import t from 'tap'
import { startCluster } from '../helpers/cluster.ts'
import { fromPods, networkPolicy, onHttp } from '../helpers/network-policy.ts'
import { urlOf } from '../helpers/node-namespace.ts'
import { Observer } from '../helpers/observed.ts'
import { canRunPrivileged } from '../helpers/privileges.ts'
import { connected, listenIn } from '../helpers/tcp.ts'
import { watchMemory } from '../helpers/worker-memory.ts'

const [ECHO, COUNT] = [8000, 8001] as const
const GIGABYTE = 2 ** 30
const CHUNK = 256 * 1024
/** Of the whole worker: garbage that waits for collection, and no body. */
const MAX_GROWTH_BYTES = 48 * 1024 * 1024

if (canRunPrivileged(t)) {
  t.test('bodies of 1 GB', async (t) => {
    t.setTimeout(500_000)
    const cluster = await startCluster(t, {
      pods: ['client', 'server'],
      policies: {
        'server.yaml': networkPolicy('server', {
          ingress: [ECHO, COUNT].map((port) => ({
            ...fromPods('client'),
            ...onHttp(port, { path: '/ok.*' }),
          })),
        }),
      },
      args: () => ['--workers', '1'],
    })
    const { client, server } = cluster.pods
    const observer = new Observer(cluster.weir)
    const echo = await listenIn(server, net.createServer({ allowHalfOpen: true }, echoBody), ECHO)
    const counter = await listenIn(server, http.createServer(countBody), COUNT)
    t.teardown(() => [echo, counter].forEach((listening) => listening.close()))

    t.test('both ways at once, the answer before the request is complete', async (t) => {
      const memory = watchMemory(cluster.weir)
      const connection = await connected(client, { host: server.v6, port: ECHO })
      connection.write(`POST /ok/echo HTTP/1.1\r\nHost: x\r\nContent-Length: ${GIGABYTE}\r\n\r\n`)
      const [sent, received] = await Promise.all([send(connection), receive(connection)])
      t.equal(received, sent, 'what comes back is what went')
      connection.destroy()
      t.ok(memory.growth() < MAX_GROWTH_BYTES, `the worker has grown by ${memory.growth()} bytes`)
      const { weir } = await observer.record({ port: ECHO, path: '/ok/echo' })
      t.ok(weir.request_bytes! > GIGABYTE && weir.response_bytes! > GIGABYTE)
    })

    t.test('chunked, sent by curl', async (t) => {
      const memory = watchMemory(cluster.weir)
      const url = urlOf(server.v4, '/ok/count', COUNT)
      const upload = `head -c ${GIGABYTE} /dev/zero | curl --silent --noproxy '*' --upload-file - '${url}'`
      const { stdout } = await client.exec(['sh', '-c', upload], { timeoutMs: 240_000 })
      t.strictSame(JSON.parse(stdout.toString()), { coding: 'chunked', bytes: GIGABYTE })
      t.ok(memory.growth() < MAX_GROWTH_BYTES, `the worker has grown by ${memory.growth()} bytes`)
    })
  })
}

/** Answer the head at once, then send back the body as it comes. */
function echoBody(socket: Socket): void {
  socket.on('error', () => undefined)
  socket.once('data', (data: Buffer) => {
    const bodyStart = data.indexOf('\r\n\r\n') + 4
    socket.write(`HTTP/1.1 200 OK\r\nContent-Length: ${GIGABYTE}\r\n\r\n`)
    socket.write(data.subarray(bodyStart))
    socket.pipe(socket)
  })
}

function countBody(request: http.IncomingMessage, response: http.ServerResponse): void {
  let bytes = 0
  request.on('data', (chunk: Buffer) => (bytes += chunk.length))
  request.on('end', () => {
    response.end(JSON.stringify({ coding: request.headers['transfer-encoding'], bytes }))
  })
}

/** A gigabyte in which no two places are alike. @returns its digest */
async function send(socket: Socket): Promise<string> {
  const hash = createHash('sha256')
  const noise = randomBytes(CHUNK)
  for (let sent = 0; sent < GIGABYTE; sent += CHUNK) {
    const chunk = Buffer.from(noise)
    chunk.writeUInt32BE(sent / CHUNK)
    hash.update(chunk)
    if (!socket.write(chunk)) await once(socket, 'drain')
  }
  return hash.digest('hex')
}

/** @returns the digest of what follows the head of the answer */
async function receive(socket: Socket): Promise<string> {
  const hash = createHash('sha256')
  let received = -1
  for await (const chunk of socket.iterator({ destroyOnReturn: false })) {
    let data = chunk as Buffer
    if (received < 0) {
      data = data.subarray(data.indexOf('\r\n\r\n') + 4)
      received = 0
    }
    hash.update(data)
    received += data.length
    if (received >= GIGABYTE) break
  }
  return hash.digest('hex')
}
