// The tables of this folder through a session, each in one piece, byte by byte and in random pieces.
import t, { type Test } from 'tap'
import { HTTP_CODES, type HttpCode } from '../../../src/l7rules/http1/codes.ts'
import { refusal } from '../../../src/l7rules/http1/deny.ts'
import { ORIGINAL, REPLY } from '../../../src/l7rules/parser.ts'
import { atRandom, byteByByte, checkLaws, type Script } from '../parser-laws.ts'
import { seededRandom } from './random.ts'
import { REQUEST_GROUPS, type RequestCase } from './requests.ts'
import { type ResponseCase, RESPONSES } from './responses.ts'
import { http1, MAX_RETAINED_BYTES, type SeenRequest, watching } from './subject.ts'

const random = seededRandom(20_240_229)
/** Byte by byte costs the square of the length in the test's own copies. */
const splitsFor = (bytes: string) =>
  bytes.length > 2_000 ? [atRandom(random)] : [byteByByte, atRandom(random), atRandom(random)]
const latin1 = (bytes: Buffer): string => bytes.toString('latin1')

function checkRequest(t: Test, one: RequestCase): void {
  const seen: SeenRequest[] = []
  const script: Script = [{ direction: ORIGINAL, bytes: Buffer.from(one.bytes, 'latin1') }]
  const connection = checkLaws(watching(seen), script, splitsFor(one.bytes), MAX_RETAINED_BYTES)
  const upstream = latin1(connection.output(ORIGINAL))
  if (one.result === 'accepted') {
    t.equal(connection.errorCode, '')
    t.equal(upstream, one.forwarded ?? one.bytes, 'forwarded')
    t.equal(connection.output(REPLY).length, 0, 'no answer of ours')
    t.equal(seen[0]?.path, one.path ?? seen[0]?.target)
    if (one.host !== undefined) t.equal(seen[0]?.host, one.host)
  } else {
    t.equal(connection.errorCode, one.result)
    t.equal(latin1(connection.output(REPLY)), latin1(refusal(one.result, false)), 'refusal')
    t.ok(one.bytes.startsWith(upstream), 'nothing else forwarded')
    t.ok(upstream === '' || seen.length > 0, 'nothing forwarded that was not judged')
  }
}

for (const [group, cases] of Object.entries(REQUEST_GROUPS)) {
  t.test(`requests: ${group}`, async (t) => {
    for (const one of cases) t.test(`${one.name}: ${one.result}`, async (t) => checkRequest(t, one))
  })
}

function checkResponse(t: Test, one: ResponseCase): void {
  const method = one.method ?? 'GET'
  const request = Buffer.from(`${method} / HTTP/1.1\r\nHost: a\r\n\r\n`)
  const next = 'HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n'
  const isComplete = one.result === 'complete'
  const script: Script = [
    { direction: ORIGINAL, bytes: Buffer.concat([request, request]) },
    { direction: REPLY, bytes: Buffer.from(one.bytes, 'latin1') },
    ...(isComplete ? [{ direction: REPLY, bytes: Buffer.from(next) } as const] : []),
    ...(one.result === 'open' ? [{ direction: REPLY, bytes: 'end' } as const] : []),
  ]
  const connection = checkLaws(http1(), script, splitsFor(one.bytes), MAX_RETAINED_BYTES)
  const downstream = latin1(connection.output(REPLY))
  const records = connection.subject.observed as { status: number; error: string }[]
  if (isComplete || one.result === 'open') {
    t.equal(connection.errorCode, '')
    t.equal(downstream, isComplete ? one.bytes + next : one.bytes)
    t.equal(records[0]?.error, '')
    t.equal(
      records[0]?.status,
      Number(/ (\d\d\d) ?[^\r]*\r\n(?:(?!HTTP)[^\r]+\r\n)*\r\n(?!HTTP)/.exec(one.bytes)?.[1]),
    )
  } else {
    t.equal(connection.errorCode, one.result)
    if (one.isAnswered === true) t.equal(downstream, latin1(refusal(one.result, method === 'HEAD')))
    else t.ok(one.bytes.startsWith(downstream))
    t.equal(records[0]?.status, one.isAnswered === true ? 502 : 200)
    t.equal(records[0]?.error, one.result)
  }
}

t.test('responses', async (t) => {
  for (const one of RESPONSES) t.test(`${one.name}: ${one.result}`, async (t) => checkResponse(t, one))
})

t.test('every code of a request or a response head has its case', async (t) => {
  const tested = new Set<string>([
    ...Object.values(REQUEST_GROUPS)
      .flat()
      .map(({ result }) => result),
    ...RESPONSES.map(({ result }) => result),
  ])
  const elsewhere: readonly HttpCode[] = [
    'HTTP_PATH_ENCODED_SLASH',
    'HTTP_HEAD_TIMEOUT',
    'HTTP_HEAD_TRUNCATED',
    'HTTP_BODY_TRUNCATED',
    'HTTP_UNSOLICITED_RESPONSE',
    'HTTP_UPSTREAM_CLOSED',
    'HTTP_CONNECTION_LOST',
  ]
  for (const code of Object.keys(HTTP_CODES))
    t.ok(tested.has(code) || elsewhere.includes(code as HttpCode), code)
})
