// Which version a connection speaks is known from the client's first bytes, however they are cut.
import t from 'tap'
import { type HttpExchange } from '../../../../src/l7rules/http1/request.ts'
import { refusal } from '../../../../src/l7rules/http1/deny.ts'
import { HEAD_TIMEOUT_MS } from '../../../../src/l7rules/http1/limits.ts'
import { HttpSession } from '../../../../src/l7rules/http/session.ts'
import { ORIGINAL, REPLY } from '../../../../src/l7rules/parser.ts'
import { DENIAL, DENIED_BODY, denyByPath } from '../../../conformance/http1/subject.ts'
import {
  atRandom,
  byteByByte,
  checkLaws,
  MemoryConnection,
  type Script,
  type Subject,
  type SubjectFactory,
} from '../../../conformance/parser-laws.ts'
import { seededRandom } from '../../../conformance/http1/random.ts'
import {
  CLIENT_PREFACE,
  get,
  respond,
  SERVER_PREFACE,
  SETTINGS_ACK,
} from '../../../conformance/http2/wire.ts'

interface HttpSubject extends Subject {
  readonly parser: HttpSession
  readonly observed: HttpExchange[]
}

const subject: SubjectFactory<HttpSubject> = (steps) => {
  const observed: HttpExchange[] = []
  const onExchange = (exchange: HttpExchange): void => void observed.push({ ...exchange })
  return {
    parser: new HttpSession({ judge: denyByPath, onExchange, steps, deniedBody: DENIED_BODY }),
    observed,
  }
}

const splits = [byteByByte, ...[1, 2, 3].map((seed) => atRandom(seededRandom(seed)))]
const latin1 = (bytes: Buffer): string => bytes.toString('latin1')
const bytes = (text: string): Buffer => Buffer.from(text, 'latin1')

t.test('HTTP/1.x, also with methods that begin like the preface', async (t) => {
  for (const method of ['GET', 'P', 'PR', 'PRI', 'PRIX', 'POST', 'PROPFIND', 'PRI*']) {
    const script: Script = [
      { direction: ORIGINAL, bytes: bytes(`${method} /ok HTTP/1.1\r\nHost: a\r\n\r\n`) },
      { direction: REPLY, bytes: bytes('HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n') },
      { direction: ORIGINAL, bytes: bytes(`${method} /deny HTTP/1.1\r\nHost: a\r\n\r\n`) },
    ]
    const connection = checkLaws(subject, script, splits)
    t.ok(latin1(connection.output(REPLY)).endsWith(DENIAL), method)
    t.match(connection.subject.observed, [{ method, protocol: 'HTTP/1.1', status: 200 }, { status: 403 }])
  }
})

t.test('HTTP/2, whoever speaks first', async (t) => {
  const client = Buffer.concat([CLIENT_PREFACE, get(1, '/ok'), get(3, '/deny')])
  const server = Buffer.concat([SERVER_PREFACE, SETTINGS_ACK])
  for (const isServerFirst of [false, true]) {
    const script: Script = [
      ...(isServerFirst ? [{ direction: REPLY, bytes: server } as const] : []),
      { direction: ORIGINAL, bytes: client },
      ...(isServerFirst ? [] : [{ direction: REPLY, bytes: server } as const]),
      { direction: ORIGINAL, bytes: SETTINGS_ACK },
      { direction: REPLY, bytes: respond(1) },
    ]
    const connection = checkLaws(subject, script, splits)
    t.equal(connection.errorCode, '')
    t.ok(connection.output(ORIGINAL).equals(Buffer.concat([CLIENT_PREFACE, get(1, '/ok'), SETTINGS_ACK])))
    t.match(connection.subject.observed, [
      { path: '/deny', protocol: 'HTTP/2', status: 403 },
      { path: '/ok', status: 200 },
    ])
  }
})

t.test('a server of HTTP/1.x that speaks first', async (t) => {
  const early = bytes('HTTP/1.1 408 Request Timeout\r\n\r\n')
  const connection = checkLaws(subject, [{ direction: REPLY, bytes: early }], splits)
  t.equal(connection.errorCode, 'HTTP_UNSOLICITED_RESPONSE')
})

t.test('a client that stops within what may be either', async (t) => {
  const script: Script = [
    { direction: ORIGINAL, bytes: bytes('PRI * HTTP') },
    { direction: ORIGINAL, bytes: 'end' },
  ]
  const connection = checkLaws(subject, script, splits)
  t.equal(connection.errorCode, 'HTTP_HEAD_TRUNCATED')
  t.equal(connection.output(ORIGINAL).length, 0)
  t.equal(latin1(connection.output(REPLY)), latin1(refusal('HTTP_HEAD_TRUNCATED', false)))

  const slow = new MemoryConnection(subject)
  slow.send(ORIGINAL, 'PRI')
  const { parser } = slow.subject
  t.equal(parser.deadlineMs, 1_000 + HEAD_TIMEOUT_MS)
  parser.expire(parser.deadlineMs - 1)
  t.equal(slow.errorCode, '')
  parser.expire(parser.deadlineMs)
  t.equal(slow.errorCode, 'HTTP_HEAD_TIMEOUT')
})

t.test('ends before the first byte', async (t) => {
  for (const direction of [ORIGINAL, REPLY] as const) {
    const connection = checkLaws(subject, [{ direction, bytes: 'end' }], splits)
    t.equal(connection.errorCode, '')
    t.ok(connection.isFinished(direction))
  }
})
