// Node's own HTTP/2 client and server with a session between them, over loopback sockets.
import { once } from 'node:events'
import http2 from 'node:http2'
import type net from 'node:net'
import t, { type Test } from 'tap'
import { HttpSession } from '../../src/l7rules/http/session.ts'
import { type HttpExchange } from '../../src/l7rules/http1/request.ts'
import { denyByPath, DENIED_BODY } from '../conformance/http1/subject.ts'
import { openLoopbackRelay } from '../helpers/loopback-relay.ts'

interface Stage {
  readonly client: http2.ClientHttp2Session
  readonly records: HttpExchange[]
  readonly paths: string[]
}

async function stage(
  t: Test,
  settings: http2.Settings = {},
  serverSettings: http2.Settings = {},
  onStream?: (stream: http2.ServerHttp2Stream, headers: http2.IncomingHttpHeaders) => void,
): Promise<Stage> {
  const records: HttpExchange[] = []
  const paths: string[] = []
  const server = http2.createServer({ settings: serverSettings })
  server.on('stream', (stream, headers) => {
    paths.push(headers[':path'] ?? '')
    stream.on('error', () => undefined)
    if (onStream !== undefined) return onStream(stream, headers)
    stream.respond({ ':status': 200, 'x-path': headers[':path'] ?? '' })
    stream.pipe(stream)
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const relay = openLoopbackRelay({
    serverPort: (server.address() as net.AddressInfo).port,
    parser: (steps) =>
      new HttpSession({
        judge: denyByPath,
        onExchange: (exchange) => records.push({ ...exchange }),
        steps,
        deniedBody: DENIED_BODY,
      }),
  })
  const client = http2.connect(`http://127.0.0.1:${relay.port}`, { settings })
  client.on('error', (error) => t.comment(String(error)))
  t.teardown(async () => {
    client.destroy()
    server.close()
    await relay.close()
  })
  return { client, records, paths }
}

interface Response {
  readonly status: number
  readonly headers: http2.IncomingHttpHeaders
  readonly body: Buffer
  readonly rstCode: number
}

function request(
  client: http2.ClientHttp2Session,
  headers: http2.OutgoingHttpHeaders,
  body?: Buffer,
): Promise<Response> {
  const stream = client.request(headers, { endStream: body === undefined })
  if (body !== undefined) stream.end(body)
  return responseTo(stream)
}

function responseTo(stream: http2.ClientHttp2Stream): Promise<Response> {
  return new Promise((resolve, reject) => {
    let received: http2.IncomingHttpHeaders = {}
    const chunks: Buffer[] = []
    stream.on('response', (headers) => (received = headers))
    stream.on('data', (chunk: Buffer) => chunks.push(chunk))
    stream.on('error', reject)
    stream.on('close', () =>
      resolve({
        status: Number(received[':status'] ?? 0),
        headers: received,
        body: Buffer.concat(chunks),
        rstCode: stream.rstCode,
      }),
    )
  })
}

t.test('requests of a connection are allowed and denied one by one', async (t) => {
  const { client, records, paths } = await stage(t)
  for (let round = 0; round < 3; round++) {
    const answers = await Promise.all(
      Array.from({ length: 30 }, (_, i) =>
        request(client, { ':path': i % 3 === 0 ? `/deny/${i}` : `/ok/${i}`, 'x-new': `${round} ${i}` }),
      ),
    )
    for (const [i, { status, headers, body }] of answers.entries()) {
      if (i % 3 === 0) t.same([status, body.toString()], [403, DENIED_BODY.toString()])
      else t.same([status, headers['x-path']], [200, `/ok/${i}`])
    }
  }
  t.equal(records.length, 90)
  t.ok(paths.every((path) => path.startsWith('/ok')))
  t.equal(paths.length, 60)
})

t.test('bodies of any size, also of denied requests, with the default windows', async (t) => {
  const { client } = await stage(t)
  for (let round = 0; round < 20; round++) {
    const big = Buffer.alloc(300_000, round)
    const [allowed, denied] = await Promise.all([
      request(client, { ':method': 'POST', ':path': '/ok' }, big),
      request(client, { ':method': 'POST', ':path': '/deny' }, big),
    ])
    t.equal(allowed.status, 200)
    t.ok(allowed.body.equals(big))
    t.equal(denied.status, 403)
    t.equal(denied.rstCode, 0)
  }
})

t.test('a thousand streams at once', async (t) => {
  const { client, records } = await stage(t)
  const answers = await Promise.all(
    Array.from({ length: 1000 }, (_, i) =>
      request(client, { ':method': 'POST', ':path': i % 2 === 0 ? '/ok' : '/deny' }, Buffer.alloc(i * 10)),
    ),
  )
  for (const [i, { status }] of answers.entries()) t.equal(status, i % 2 === 0 ? 200 : 403)
  t.equal(records.length, 1000)
})
