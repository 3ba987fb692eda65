// What a session does beside passing frames on: denials, windows, tables, settings, ends.
import t from 'tap'
import { type HttpRequest } from '../../../../src/l7rules/http1/request.ts'
import {
  CONTINUATION,
  DATA,
  END_STREAM,
  HEADERS,
  PREFACE,
  RST_STREAM,
  SETTINGS,
  WINDOW_UPDATE,
} from '../../../../src/l7rules/http2/frames.ts'
import { HpackDecoder } from '../../../../src/l7rules/http2/hpack/decoder.ts'
import { LATE_ALLOWANCE } from '../../../../src/l7rules/http2/allowances.ts'
import { HEADERS_TIMEOUT_MS, MAX_STREAMS } from '../../../../src/l7rules/http2/limits.ts'
import { ORIGINAL, REPLY } from '../../../../src/l7rules/parser.ts'
import { type Verdict } from '../../../../src/l7rules/verdict.ts'
import { ALLOWED, denyByPath } from '../../../conformance/http1/subject.ts'
import { RandomPeers, understand } from '../../../conformance/http2/peers.ts'
import { seededRandom } from '../../../conformance/http1/random.ts'
import { Http2Connection } from '../../../conformance/http2/subject.ts'
import {
  block,
  CLIENT_PREFACE,
  data,
  dynamic,
  type Fields,
  frame,
  type Frame,
  framesOf,
  get,
  headers,
  inserted,
  post,
  requestFields,
  respond,
  rst,
  SERVER_PREFACE,
  settings,
  windowUpdate,
} from '../../../conformance/http2/wire.ts'

function fieldsOf(
  bytes: Buffer,
  decoder = new HpackDecoder({ maxListBytes: 65_536, maxFields: 128 }),
): Fields {
  if (!decoder.decode(bytes, 0, bytes.length)) throw new Error('cannot be decoded')
  return decoder.fields.map(({ name, value }) => [name, value] as const)
}

const shapes = (bytes: Buffer): [number, number][] => framesOf(bytes).map(({ type, id }) => [type, id])
const only = (bytes: Buffer): Frame => {
  const frames = framesOf(bytes)
  if (frames.length !== 1) throw new Error(`${frames.length} frames`)
  return frames[0]!
}

t.test('a denial answers, resets what is not ended, and leaves neighbours alone', async (t) => {
  const connection = new Http2Connection()
  connection.client(post(1, '/ok'), post(3, '/deny'), get(5, '/deny'), get(7, '/ok'))
  t.same(shapes(connection.toServer()), [
    [HEADERS, 1],
    [HEADERS, 7],
  ])
  const [head, body, reset, head5, body5, ...rest] = framesOf(connection.toClient())
  t.same(fieldsOf(head!.payload), [
    [':status', '403'],
    ['content-type', 'text/plain'],
    ['content-length', '3'],
  ])
  t.match(
    [head, body, reset],
    [{ id: 3 }, { id: 3, flags: END_STREAM, type: DATA }, { id: 3, type: RST_STREAM }],
  )
  t.equal(body!.payload.toString(), 'no\n')
  t.equal(reset!.payload.readUInt32BE(0), 0)
  t.match([head5, body5], [{ id: 5 }, { id: 5 }])
  t.equal(rest.length, 0, 'no reset of what was ended')
  t.match(connection.records, [
    { path: '/deny', status: 403, protocol: 'HTTP/2', host: 'a.example', method: 'POST', error: '' },
    { path: '/deny', status: 403, method: 'GET' },
  ])
  t.equal(connection.streamCount, 2)
})

t.test('a denied CONNECT gets 405, an extended one 403', async (t) => {
  const connection = new Http2Connection(denyByPath, [CLIENT_PREFACE, settings([8, 1])])
  const target: Fields = [
    [':method', 'CONNECT'],
    [':authority', 'deny.example:80'],
  ]
  const webSocket: Fields = [...requestFields('/deny', [], 'CONNECT'), [':protocol', 'websocket']]
  connection.client(headers(1, block(target), 0), headers(3, block(webSocket), 0))
  connection.client(get(5, '/ok'))
  t.same(shapes(connection.toServer()), [[HEADERS, 5]], 'the connection lives on')
  const [plain, extended] = framesOf(connection.toClient()).filter(({ type }) => type === HEADERS)
  t.match(Object.fromEntries(fieldsOf(plain!.payload)), { ':status': '405', allow: '' })
  t.match(Object.fromEntries(fieldsOf(extended!.payload)), { ':status': '403' })
  t.match(connection.records, [
    {
      method: 'CONNECT',
      status: 405,
      error: 'HTTP_CONNECT_NOT_ALLOWED',
      verdict: { allowed: false, reason: 'NO_RULE_MATCHED' },
    },
    { method: 'GET', path: '/deny', status: 403, error: '' },
  ])
})

t.test('gRPC is denied with trailers only', async (t) => {
  const connection = new Http2Connection()
  const grpc: Fields = [['content-type', 'application/grpc+proto']]
  connection.client(post(1, '/deny.Service/Method', grpc), post(3, '/ok.Service/Method', grpc))
  const [head, reset] = framesOf(connection.toClient())
  t.equal(head!.flags & END_STREAM, END_STREAM)
  t.same(fieldsOf(head!.payload), [
    [':status', '200'],
    ['content-type', 'application/grpc'],
    ['grpc-status', '7'],
    ['grpc-message', 'no'],
  ])
  t.match(reset, { type: RST_STREAM, id: 1 })
  connection.server(respond(3, 200, [], 0), data(3, 'x'), headers(3, block([['grpc-status', '5']])))
  connection.client(data(3, '', END_STREAM))
  t.match(connection.records, [
    { path: '/deny.Service/Method', status: 200, grpcStatus: 7 },
    { path: '/ok.Service/Method', status: 200, grpcStatus: 5 },
  ])
})

t.test('HEAD is denied without body but with its length', async (t) => {
  const connection = new Http2Connection()
  connection.client(headers(1, block(requestFields('/deny', [], 'HEAD'))))
  const head = only(connection.toClient())
  t.equal(head.flags & END_STREAM, END_STREAM)
  t.match(fieldsOf(head.payload), [[], [], ['content-length', '3']])
})

t.test('DATA of a denied stream is swallowed and its credit given back', async (t) => {
  const connection = new Http2Connection()
  connection.client(post(1, '/deny'))
  connection.toClient()
  for (let i = 0; i < 50; i++) {
    connection.client(data(1, Buffer.alloc(16_384)))
    const credit = only(connection.toClient())
    t.match(credit, { type: WINDOW_UPDATE, id: 0 })
    t.equal(credit.payload.readUInt32BE(0), 16_384)
  }
  connection.client(windowUpdate(1, 10), rst(1), headers(1, block([['x', 'y']])), data(1, 'x', END_STREAM))
  t.equal(connection.toServer().length, 0)
  t.equal(connection.error, '')
  connection.client(get(3, '/ok'))
  t.same(shapes(connection.toServer()), [[HEADERS, 3]])
})

t.test('frames on streams that are over cannot come for ever', async (t) => {
  const connection = new Http2Connection()
  connection.client(post(1, '/deny'))
  connection.client(...new Array<Buffer>(LATE_ALLOWANCE.burst + 1).fill(windowUpdate(1, 1)))
  t.equal(connection.error, 'HTTP2_LATE_FLOOD')
})

t.test("a denial's data is no gift to the server's window", async (t) => {
  const connection = new Http2Connection()
  connection.client(get(1, '/ok'), get(3, '/deny'))
  connection.toClient()
  connection.toServer()
  // The server believes in 65,535 bytes; three of them are gone.
  connection.server(respond(1, 200, [], 0), ...new Array<Buffer>(3).fill(data(1, Buffer.alloc(16_384))))
  t.equal(framesOf(connection.toClient()).length, 4)
  connection.server(data(1, Buffer.alloc(16_383)))
  t.equal(connection.toClient().length, 0, 'waits')
  connection.client(windowUpdate(0, 2))
  t.equal(connection.toServer().length, 0, 'credit for our bytes')
  t.equal(connection.toClient().length, 0, 'still waits')
  connection.client(windowUpdate(0, 11))
  const credit = only(connection.toServer())
  t.equal(credit.payload.readUInt32BE(0), 10)
  t.equal(only(connection.toClient()).payload.length, 16_383)
  connection.client(windowUpdate(0, 5))
  t.equal(only(connection.toServer()).payload.readUInt32BE(0), 5)
  connection.server(data(1, Buffer.alloc(16)))
  t.equal(connection.error, 'HTTP2_WINDOW_EXCEEDED', 'what the server may not believe either')
})

t.test('a denial has no body where there is no room for one', async (t) => {
  const connection = new Http2Connection(denyByPath, [
    Buffer.concat([PREFACE, settings([2, 0], [4, 2])]),
    SERVER_PREFACE,
  ])
  connection.client(get(1, '/deny'))
  const head = only(connection.toClient())
  t.match(fieldsOf(head.payload), [[], [], ['content-length', '0']])
  t.equal(head.flags & END_STREAM, END_STREAM)
})

t.test('after a denied block that changed the table, blocks are encoded anew', async (t) => {
  const connection = new Http2Connection()
  const shown: string[] = []
  const server = new HpackDecoder({ maxListBytes: 65_536, maxFields: 128 })
  const receive = (): void => {
    for (const { type, payload } of framesOf(connection.toServer())) {
      if (type === HEADERS) shown.push(fieldsOf(payload, server).flat().join(' '))
    }
  }
  const one = Buffer.concat([block(requestFields('/ok')), inserted('x-a', '1')])
  connection.client(headers(1, one))
  t.ok(connection.toServer().equals(headers(1, one)), 'as it came')
  fieldsOf(one, server)
  const denied = Buffer.concat([block(requestFields('/deny')), inserted('x-b', '2')])
  connection.client(headers(3, denied))
  const third = Buffer.concat([block(requestFields('/ok')), dynamic(0), dynamic(1), inserted('x-c', '3')])
  connection.client(headers(5, third), headers(7, Buffer.concat([block(requestFields('/ok')), dynamic(0)])))
  receive()
  t.same(shown, [
    ':method GET :scheme http :authority a.example :path /ok x-b 2 x-a 1 x-c 3',
    ':method GET :scheme http :authority a.example :path /ok x-c 3',
  ])
  connection.client(post(9, '/ok'), headers(9, dynamic(0)))
  receive()
  t.equal(shown.at(-1), 'x-c 3', 'trailers, too')
})

t.test('a denied block without inserts changes nothing', async (t) => {
  const connection = new Http2Connection()
  connection.client(get(1, '/deny'), get(3, '/ok'))
  t.ok(connection.toServer().equals(get(3, '/ok')))
})

t.test('size updates of a denied block reach the server with the next one', async (t) => {
  const connection = new Http2Connection(denyByPath, [CLIENT_PREFACE, settings([1, 100])])
  const update = Buffer.from([0x20, 0x3f, 0x45])
  connection.client(headers(1, Buffer.concat([update, block(requestFields('/deny'))])), get(3, '/ok'))
  const { payload } = only(connection.toServer())
  t.same(payload.subarray(0, 3), update)
  t.same(fieldsOf(payload), requestFields('/ok'))
})

t.test('a path that is not in normal form is replaced; secrets stay never indexed', async (t) => {
  const connection = new Http2Connection()
  const secret = Buffer.from('100870617373776f726406736563726574', 'hex')
  connection.client(headers(1, Buffer.concat([block(requestFields('/a/./b//%63?q=./')), secret])))
  const { payload } = only(connection.toServer())
  t.same(fieldsOf(payload), [...requestFields('/a/b/c?q=./'), ['password', 'secret']])
  t.ok(payload.includes(secret))
  t.equal(connection.streamCount, 1)
  connection.client(get(3, '/ok'))
  t.ok(connection.toServer().equals(get(3, '/ok')), 'later ones pass as they came')
})

t.test('a large block is encoded anew in several frames', async (t) => {
  const connection = new Http2Connection()
  const value = 'v'.repeat(15_000)
  const fields = requestFields('//', [
    ['x-a', value],
    ['x-b', value],
    ['x-c', value],
  ])
  const bytes = block(fields)
  const parts = [0, 1, 2, 3].map((i) => bytes.subarray(i * 12_000, (i + 1) * 12_000))
  connection.client(
    ...parts.map((part, i) =>
      frame(i === 0 ? HEADERS : CONTINUATION, i === 3 ? 4 : i === 0 ? 1 : 0, 1, part),
    ),
  )
  const frames = framesOf(connection.toServer())
  t.same(
    frames.map(({ type, flags }) => [type, flags]),
    [
      [HEADERS, END_STREAM],
      [CONTINUATION, 0],
      [CONTINUATION, 4],
    ],
  )
  t.match(fieldsOf(Buffer.concat(frames.map(({ payload }) => payload)))[3], [':path', '/'])
})

t.test('headers are edited as the verdict says', async (t) => {
  const edits = [
    { name: 'x-a', removes: true, adds: [] },
    { name: 'x-b', removes: false, adds: ['new', 'newer'] },
  ]
  const edited: Verdict = { ...ALLOWED, edits }
  const connection = new Http2Connection(() => edited)
  connection.client(
    get(1, '/', [
      ['x-a', '1'],
      ['x-b', 'old'],
      ['x-c', '3'],
      ['x-a', '2'],
    ]),
  )
  t.same(fieldsOf(only(connection.toServer()).payload), [
    ...requestFields('/'),
    ['x-b', 'old'],
    ['x-c', '3'],
    ['x-b', 'new'],
    ['x-b', 'newer'],
  ])
})

t.test('the judge sees a request as an HTTP/1.1 server would', async (t) => {
  const seen: unknown[] = []
  const judge = (request: HttpRequest): Verdict => {
    const { method, path, host } = request
    seen.push({ method, path, host, values: ['cookie', 'host', 'x'].map((name) => request.header(name)) })
    return ALLOWED
  }
  const connection = new Http2Connection(judge, [CLIENT_PREFACE, settings([8, 1])])
  connection.client(
    get(1, '/a//b', [
      ['cookie', 'a=1'],
      ['x', '1'],
      ['cookie', 'b=2'],
      ['x', '2'],
    ]),
  )
  t.same(seen[0], {
    method: 'GET',
    path: '/a/b',
    host: 'a.example',
    values: [['a=1; b=2'], ['a.example'], ['1', '2']],
  })
  let upgrade: readonly (readonly string[])[] = []
  const webSocket = new Http2Connection(
    (request) => {
      upgrade = ['upgrade', 'connection'].map((name) => request.header(name))
      seen.push(request.method)
      return ALLOWED
    },
    [CLIENT_PREFACE, settings([8, 1])],
  )
  webSocket.client(
    headers(1, block(requestFields('/chat', [], 'CONNECT').toSpliced(1, 0, [':protocol', 'websocket'])), 0),
  )
  t.equal(seen.at(-1), 'GET')
  t.same(upgrade, [['websocket'], ['upgrade']])
  t.equal(webSocket.error, '')
  t.equal(webSocket.streamCount, 1)
})

t.test('a repeated block is judged each time', async (t) => {
  let isAllowed = true
  const connection = new Http2Connection((request) => (isAllowed ? ALLOWED : denyByPath(request)))
  connection.client(get(1, '/deny'), get(3, '/deny'))
  isAllowed = false
  connection.client(get(5, '/deny'), get(7, '/other'), get(9, '/deny'))
  t.same(
    framesOf(connection.toServer()).map(({ id }) => id),
    [1, 3, 7],
  )
})

t.test('settings are lowered where they have to be', async (t) => {
  const memory = new Http2Connection(denyByPath, [
    Buffer.concat([PREFACE, settings([1, 1_000_000], [2, 1], [3, 7])]),
    settings([1, 70_000], [3, 9]),
  ]).memory
  const [client] = framesOf(memory.output(ORIGINAL))
  t.match(client, { type: SETTINGS })
  t.ok(client!.payload.equals(framesOf(settings([1, 65_536], [2, 0], [3, 7]))[0]!.payload))
  const [server] = framesOf(memory.output(REPLY))
  t.ok(server!.payload.equals(framesOf(settings([1, 65_536], [3, 9]))[0]!.payload))
  const silent = new Http2Connection(denyByPath, [Buffer.concat([PREFACE, settings()]), SERVER_PREFACE])
  t.ok(framesOf(silent.memory.output(ORIGINAL))[0]!.payload.equals(Buffer.from([0, 2, 0, 0, 0, 0])), 'added')
})

t.test('nothing of ours comes before SETTINGS of the server, or within its frames', async (t) => {
  const connection = new Http2Connection(denyByPath, [CLIENT_PREFACE, Buffer.alloc(0)])
  connection.memory.close()
  const { memory } = new Http2Connection(denyByPath, [CLIENT_PREFACE, SERVER_PREFACE])
  memory.send(ORIGINAL, get(1, '/ok'))
  const before = memory.output(REPLY).length
  const large = Buffer.concat([respond(1, 200, [], 0), data(1, Buffer.alloc(5_000), END_STREAM)])
  memory.send(REPLY, large.subarray(0, 1_000))
  memory.send(ORIGINAL, get(3, '/deny'))
  t.equal(memory.output(REPLY).length - before, 1_000, 'waits')
  memory.send(REPLY, large.subarray(1_000))
  t.same(shapes(memory.output(REPLY).subarray(before)), [
    [HEADERS, 1],
    [DATA, 1],
    [HEADERS, 3],
    [DATA, 3],
  ])
})

t.test('denials that cannot be sent stop the client', async (t) => {
  const { memory } = new Http2Connection()
  memory.send(ORIGINAL, get(1, '/ok'))
  memory.send(REPLY, Buffer.concat([respond(1, 200, [], 0), data(1, Buffer.alloc(5_000))]).subarray(0, 1_000))
  for (let id = 3; id < 6_003; id += 2) memory.send(ORIGINAL, get(id, '/deny'))
  t.ok(memory.retained(ORIGINAL) > 10_000, 'not read')
  memory.send(REPLY, Buffer.alloc(5_000).subarray(0, 9 + 5_000 - 1_000 + respond(1, 200, [], 0).length))
  t.equal(memory.retained(ORIGINAL), 0)
  t.equal(memory.errorCode, '')
})

t.test('more streams than are kept are refused, and can be tried again', async (t) => {
  const connection = new Http2Connection()
  const ids = Array.from({ length: MAX_STREAMS + 1 }, (_, i) => 2 * i + 1)
  connection.client(...ids.map((id) => get(id, '/ok')))
  const refused = framesOf(connection.toClient())
  t.match(refused, [{ type: RST_STREAM, id: ids.at(-1) }])
  t.equal(refused[0]!.payload.readUInt32BE(0), 7)
  t.equal(connection.records.at(-1)?.error, 'HTTP2_TOO_MANY_STREAMS')
  connection.memory.close()
  t.equal(connection.streamCount, 0)
  t.equal(connection.records.length, MAX_STREAMS + 1)
})

t.test('who reset a stream is recorded', async (t) => {
  const connection = new Http2Connection()
  connection.client(get(1, '/1'), get(3, '/3'), post(5, '/5'), post(7, '/7'))
  connection.client(rst(1))
  connection.server(rst(3, 2), respond(5), rst(5, 0), respond(7), data(1, 'late'))
  connection.client(rst(7))
  t.match(connection.records, [
    { path: '/1', error: 'HTTP2_CLIENT_RESET' },
    { path: '/3', error: 'HTTP2_SERVER_RESET' },
    { path: '/5', error: '', status: 200 },
    { path: '/7', error: '', status: 200 },
  ])
  t.equal(connection.streamCount, 0)
  t.equal(connection.error, '')
})

t.test('ends', async (t) => {
  const connection = new Http2Connection()
  connection.client(get(1, '/1'), get(3, '/3'))
  connection.memory.end(ORIGINAL)
  t.ok(connection.memory.isFinished(ORIGINAL))
  connection.server(respond(1))
  connection.memory.end(REPLY)
  t.ok(connection.memory.isFinished(REPLY))
  t.match(connection.records, [
    { path: '/1', status: 200, error: '' },
    { path: '/3', status: 0, error: 'HTTP_UPSTREAM_CLOSED' },
  ])
  const lost = new Http2Connection()
  lost.client(get(1, '/1'))
  lost.memory.close()
  t.match(lost.records, [{ error: 'HTTP_CONNECTION_LOST' }])
})

t.test('a header block that is dripped ends in time', async (t) => {
  const connection = new Http2Connection()
  const { parser } = connection.memory.subject
  t.equal(parser.deadlineMs, Number.POSITIVE_INFINITY)
  connection.client(frame(HEADERS, 0, 1, block(requestFields('/'))))
  const deadlineMs = parser.deadlineMs
  t.equal(deadlineMs, 1_000 + HEADERS_TIMEOUT_MS)
  parser.expire(deadlineMs - 1)
  t.equal(connection.error, '')
  parser.expire(deadlineMs)
  t.equal(connection.error, 'HTTP2_BLOCK_TIMEOUT')
})

t.test('random peers never notice a denial in their tables', async (t) => {
  for (let seed = 0; seed < 300; seed++) {
    const random = seededRandom(seed)
    const peers = new RandomPeers(random)
    const connection = new Http2Connection()
    for (let turn = 0; turn < 40; turn++) {
      connection.client(peers.clientTurn())
      if (turn % 3 === 0) connection.server(peers.serverTurn(connection.toServer()))
    }
    if (connection.error !== '') t.fail(`seed ${seed}: ${connection.error}`)
    let lastId = 0
    for (const { id, fields } of understand(connection.memory.output(ORIGINAL))) {
      const path = fields.find(([name]) => name === ':path')?.[1]
      if (path === undefined) continue
      if (path.startsWith('/deny') || path.includes('//') || id <= lastId)
        t.fail(`seed ${seed}: ${path} on ${id}`)
      lastId = id
    }
    const answers = understand(connection.memory.output(REPLY))
    if (answers.length === 0) t.fail(`seed ${seed}: no answer`)
  }
  t.pass('300 connections')
})

t.test('10,000 streams with random resets on both sides leave nothing behind', async (t) => {
  const random = seededRandom(42)
  const connection = new Http2Connection()
  const { parser } = connection.memory.subject
  let nowMs = 1_000
  let records = 0
  const send = (direction: typeof ORIGINAL | typeof REPLY, bytes: Buffer): void => {
    nowMs += 5
    parser.receive(direction, bytes, 0, bytes.length, nowMs)
  }
  // Steps of the memory connection are not wanted here: only states matter.
  const { memory } = connection
  Object.assign(memory, { pass: () => undefined, drop: () => undefined, inject: () => undefined })
  for (let i = 0; i < 10_000; i++) {
    const id = 2 * i + 1
    const isDenied = random() < 0.3
    send(ORIGINAL, post(id, isDenied ? '/deny' : '/ok', [['x-n', String(i)]]))
    const dice = random()
    if (dice < 0.3) send(ORIGINAL, rst(id))
    if (!isDenied && random() < 0.7) {
      const isLast = random() < 0.5
      send(REPLY, respond(id, 200, [], isLast ? END_STREAM : 0))
      if (!isLast && random() < 0.5) send(REPLY, data(id, 'abc', END_STREAM))
      else send(REPLY, rst(id, random() < 0.5 ? 0 : 8))
    } else if (!isDenied && random() < 0.9) send(REPLY, rst(id))
    if (dice >= 0.3) send(ORIGINAL, rst(id))
    records++
  }
  t.equal(connection.error, '')
  t.equal(parser.streamCount, 0)
  t.equal(connection.records.length, records)
})

t.test('a connection that fails before SETTINGS of the server is told in frames', async (t) => {
  const { memory } = new Http2Connection(denyByPath, [
    Buffer.concat([CLIENT_PREFACE, get(1, '/deny'), data(0, 'x')]),
    Buffer.alloc(0),
  ])
  t.equal(memory.errorCode, 'HTTP2_BAD_STREAM_ID')
  t.same(shapes(memory.output(REPLY)), [
    [SETTINGS, 0],
    [7, 0],
  ])
})
