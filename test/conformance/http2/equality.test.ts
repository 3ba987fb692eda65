// The same request in HTTP/1.1 and in HTTP/2: the judge sees the same, the client gets the same status.
import { isDeepStrictEqual } from 'node:util'
import fc from 'fast-check'
import t from 'tap'
import { type HttpExchange, type HttpJudge, type HttpRequest } from '../../../src/l7rules/http1/request.ts'
import { HttpSession } from '../../../src/l7rules/http/session.ts'
import { HpackDecoder } from '../../../src/l7rules/http2/hpack/decoder.ts'
import { ORIGINAL } from '../../../src/l7rules/parser.ts'
import { ALLOWED, DENIED, DENIED_BODY } from '../http1/subject.ts'
import { MemoryConnection } from '../parser-laws.ts'
import { block, CLIENT_PREFACE, type Fields, framesOf, headers } from './wire.ts'

interface Request {
  readonly method: string
  readonly target: string
  readonly host: string
  readonly fields: Fields
}

interface Outcome {
  readonly seen: unknown
  readonly isAllowed: boolean
  readonly status: number
  readonly error: string
  /** What reached the server. */
  readonly path: string | undefined
}

const SEEN_NAMES = ['x-a', 'x-b', 'accept', 'cookie', 'host', 'user-agent', 'x-none']

function outcomeOf(bytes: Buffer, pathOf: (toServer: Buffer) => string | undefined): Outcome {
  const records: HttpExchange[] = []
  let seen: unknown
  const judge: HttpJudge = (request: HttpRequest) => {
    const { method, path, host } = request
    seen = { method, path, host, values: SEEN_NAMES.map((name) => request.header(name)) }
    const isDenied =
      path.includes('deny') || request.header('x-a').includes('deny') || host.startsWith('deny')
    return isDenied ? DENIED : ALLOWED
  }
  const connection = new MemoryConnection((steps) => ({
    parser: new HttpSession({
      judge,
      steps,
      deniedBody: DENIED_BODY,
      onExchange: (record) => records.push({ ...record }),
    }),
    observed: records,
  }))
  connection.send(ORIGINAL, bytes)
  connection.close()
  const record = records[0]!
  const isAllowed = record.verdict.allowed
  const error = record.error === 'HTTP_CONNECTION_LOST' ? '' : record.error
  return { seen, isAllowed, status: record.status, error, path: pathOf(connection.output(ORIGINAL)) }
}

function asHttp1({ method, target, host, fields }: Request): Buffer {
  const lines = fields.map(([name, value]) => `${name}: ${value}\r\n`).join('')
  return Buffer.from(`${method} ${target} HTTP/1.1\r\nHost: ${host}\r\n${lines}\r\n`, 'latin1')
}

function asHttp2({ method, target, host, fields }: Request): Buffer {
  const isConnect = method === 'CONNECT'
  const all: Fields = isConnect
    ? [[':method', method], [':authority', target], ['host', host], ...fields]
    : [[':method', method], [':scheme', 'http'], [':authority', host], [':path', target], ...fields]
  return Buffer.concat([CLIENT_PREFACE, headers(1, block(all))])
}

const http1 = (request: Request): Outcome =>
  outcomeOf(asHttp1(request), (toServer) => /^\S+ (\S+) /.exec(toServer.toString('latin1'))?.[1])

const http2 = (request: Request): Outcome =>
  outcomeOf(asHttp2(request), (toServer) => {
    const frame = framesOf(toServer).find(({ type }) => type === 1)
    if (frame === undefined) return undefined
    const decoder = new HpackDecoder({ maxListBytes: 65_536, maxFields: 128 })
    decoder.decode(frame.payload, 0, frame.payload.length)
    const valueOf = (name: string): string | undefined =>
      decoder.fields.find((field) => field.name === name)?.value
    return valueOf(':path') ?? valueOf(':authority')
  })

const piece = fc.oneof(
  { weight: 40, arbitrary: fc.constantFrom('a', 'b', 'deny', 'x.y', 'API', '%61', '.', '', '%2F') },
  {
    weight: 3,
    arbitrary: fc.constantFrom(
      '.',
      '..',
      '',
      '%61',
      '%2e',
      '%2F',
      '%2f..',
      ';',
      '..;',
      '%00',
      '%',
      '%zz',
      '\\',
      '[',
      '"',
    ),
  },
  { weight: 1, arbitrary: fc.constantFrom('#', '\x7f', '\xe4', '{', '|') },
)
const target = fc.oneof(
  { weight: 20, arbitrary: fc.array(piece, { maxLength: 5 }).map((pieces) => `/${pieces.join('/')}`) },
  {
    weight: 5,
    arbitrary: fc
      .tuple(fc.array(piece, { maxLength: 3 }), piece)
      .map(([pieces, query]) => `/${pieces.join('/')}?${query}/../x`),
  },
  { weight: 1, arbitrary: fc.constantFrom('*', 'a', '//', `/${'a'.repeat(33_000)}`) },
)
const host = fc.oneof(
  {
    weight: 8,
    arbitrary: fc.constantFrom('a.example', 'A.Example:80', 'deny.example', '[::1]:8080', '1.2.3.4', 'x_y'),
  },
  { weight: 1, arbitrary: fc.constantFrom('a,b', 'a:', 'u@a', '[::1', 'a:99999') },
)
const method = fc.oneof(
  { weight: 12, arbitrary: fc.constantFrom('GET', 'POST', 'OPTIONS', 'HEAD', 'DELETE', 'get', 'X-Y') },
  { weight: 1, arbitrary: fc.constantFrom('M'.repeat(33), 'M'.repeat(32), 'GE(T') },
)
const field = fc.tuple(
  fc.oneof(
    { weight: 20, arbitrary: fc.constantFrom('x-a', 'x-b', 'accept', 'cookie', 'user-agent') },
    { weight: 1, arbitrary: fc.constantFrom('content_length', 'transfer_encoding') },
  ),
  fc.constantFrom('deny', 'allow', 'v w', '', 'a=1; b=2', '\xff', 'x,y'),
)
const length = fc.constantFrom<Fields>(
  [],
  [],
  [],
  [['content-length', '0']],
  [['content-length', '00']],
  [['content-length', '-1']],
  [
    ['content-length', '0'],
    ['content-length', '0'],
  ],
)
/** One Cookie: HTTP/1.1 has no crumbs. */
const oneCookie = (fields: Fields): Fields =>
  fields.filter(([name], i) => name !== 'cookie' || fields.findIndex(([other]) => other === 'cookie') === i)
const request: fc.Arbitrary<Request> = fc.oneof(
  {
    weight: 12,
    arbitrary: fc.record({
      method,
      target,
      host,
      fields: fc
        .tuple(fc.array(field, { maxLength: 4 }), length)
        .map(([fields, more]) => [...oneCookie(fields), ...more]),
    }),
  },
  {
    weight: 1,
    arbitrary: fc.constantFrom('a:80', 'deny.example:443', 'a', '[::1]:1', 'a:b').chain((authority) =>
      fc.constantFrom(authority, authority.split(':')[0]!, 'other').map((name): Request => ({
        method: 'CONNECT',
        target: authority,
        host: name,
        fields: [],
      })),
    ),
  },
)

t.test('verdicts, views and statuses are the same', async (t) => {
  let [allowed, denied, refused] = [0, 0, 0]
  fc.assert(
    fc.property(request, (one) => {
      const [first, second] = [http1(one), http2(one)]
      if (first.error !== '') refused++
      else if (first.isAllowed) allowed++
      else denied++
      // What both refuse they may call by another name where a check stands earlier in one of them.
      const pick = ({ seen, isAllowed, status, error, path }: Outcome): unknown =>
        error === '' ? { seen, isAllowed, status, path } : { isRefused: true }
      return isDeepStrictEqual(pick(second), pick(first))
    }),
    { numRuns: 4_000 },
  )
  t.comment(`${allowed} allowed, ${denied} denied, ${refused} refused`)
  t.ok(allowed > 500 && denied > 500 && refused > 500)
})
