// Authentication passes, in both forms; a stream that pretends to be one does not.
import t from 'tap'
import {
  all,
  array,
  bytes,
  cbytes,
  frame,
  i16,
  i32,
  NO_TAGS,
  request,
  response,
  str,
} from '../../../conformance/kafka/wire.ts'
import { allowApis, KafkaConnectionUnderTest } from '../../../conformance/kafka/subject.ts'
import { ORIGINAL } from '../../../../src/l7rules/parser.ts'

const handshake = (mechanism: string, version: number): Buffer =>
  request({ key: 17, version, id: 1 }, str(mechanism))
const accepted = response(1, all(i16(0), array([str('PLAIN')])))
const metadata = (topic: string, id = 9): Buffer => request({ key: 3, version: 1, id }, array([str(topic)]))

t.test('in requests of its own, whatever the rules say of APIs', async (t) => {
  const connection = new KafkaConnectionUnderTest({ judge: allowApis(0) })
  const token = request(
    { key: 36, version: 2, id: 2, flexible: true },
    all(cbytes(Buffer.from('\0user\0secret')), NO_TAGS),
  )
  t.same(connection.client(handshake('PLAIN', 1)).toBroker(), handshake('PLAIN', 1))
  t.same(connection.broker(accepted).toClient(), accepted)
  t.same(connection.client(token).toBroker(), token)
  t.same(connection.broker(response(2, all(i16(0)), true)).toClient(), response(2, all(i16(0)), true))
  t.match(connection.records, [
    { verdict: { reason: 'AUTHENTICATION' } },
    { verdict: { reason: 'AUTHENTICATION' } },
  ])
})

t.test('in the old form: tokens without headers', async (t) => {
  for (const [mechanism, tokens] of [
    ['PLAIN', ['\0user\0secret']],
    ['SCRAM-SHA-256', ['n,,n=user', 'c=biws']],
    ['GSSAPI', ['\x60token', '', '\x05\x04']],
  ] as const) {
    const connection = new KafkaConnectionUnderTest()
    connection.client(handshake(mechanism, 0), frame(Buffer.from(tokens[0], 'latin1')))
    t.same(connection.toBroker(), handshake(mechanism, 0), 'nothing more before the broker has agreed')
    connection.broker(accepted)
    t.same(connection.toBroker(), frame(Buffer.from(tokens[0], 'latin1')))
    const answers = tokens.map((_, i) => frame(Buffer.from(`answer ${i}`)))
    connection.broker(answers[0]!)
    for (let i = 1; i < tokens.length; i++) {
      const token = frame(Buffer.from(tokens[i]!, 'latin1'))
      t.same(connection.client(token).toBroker(), token)
      // The last token of GSSAPI may have no answer.
      if (mechanism !== 'GSSAPI' || i < tokens.length - 1) connection.broker(answers[i]!)
    }
    connection.toClient()
    connection.client(metadata('a'))
    t.same(connection.toBroker(), metadata('a'))
    const answer = response(9, all(array([]), i32(1), array([])))
    t.same(connection.broker(answer).toClient(), answer)
    connection.client(metadata('denied', 10))
    t.same(connection.toBroker().toString('latin1').includes('denied'), false, 'requests are judged again')
    t.equal(connection.error, '')
  }
})

t.test('no request hides behind a handshake', async (t) => {
  await t.test('that the broker refuses', async (t) => {
    const connection = new KafkaConnectionUnderTest()
    connection.client(handshake('PLAIN', 0)).broker(response(1, all(i16(34), array([]))))
    connection.toBroker()
    connection.client(
      request(
        { key: 0, version: 0 },
        all(i16(1), i32(1), array([all(str('denied'), array([all(i32(0), bytes(Buffer.from('x')))]))])),
      ),
    )
    t.equal(connection.toBroker().length, 0)
  })
  await t.test('of a mechanism whose tokens nobody can count', async (t) => {
    const connection = new KafkaConnectionUnderTest()
    t.equal(connection.client(handshake('OWN', 0)).toBroker().length, 0)
    t.same(connection.toClient(), response(1, all(i16(33), array([]))))
  })
  await t.test('of one that may end sooner', async (t) => {
    const connection = new KafkaConnectionUnderTest()
    connection.client(handshake('OAUTHBEARER', 0)).broker(accepted)
    connection.client(frame(Buffer.from('n,,'))).broker(frame(Buffer.alloc(0)))
    connection.toBroker()
    connection.client(metadata('denied'))
    t.notOk(connection.toBroker().includes('denied'))
  })
})

t.test('TLS is refused, byte by byte, too', async (t) => {
  const hello = Buffer.from('16030100f4010000f00303', 'hex')
  const connection = new KafkaConnectionUnderTest()
  connection.memory.send(ORIGINAL, hello, (length) => new Array<number>(length).fill(1))
  t.equal(connection.error, 'KAFKA_TLS_CLIENT_HELLO')
  t.equal(connection.toBroker().length, 0)
})
