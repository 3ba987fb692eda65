// Requests that are larger than what may be held, and what a peer may do to make holding expensive.
import t from 'tap'
import { all, array, bytes, i16, i32, i64, request, response, str } from '../../../conformance/kafka/wire.ts'
import { KafkaConnectionUnderTest, kafka, MAX_RETAINED_BYTES } from '../../../conformance/kafka/subject.ts'
import { checkLaws, type Script, type Split } from '../../../conformance/parser-laws.ts'
import { MAX_HELD_BYTES } from '../../../../src/l7rules/kafka/limits.ts'
import { ORIGINAL, REPLY } from '../../../../src/l7rules/parser.ts'

const MIB = 1024 * 1024
const inReads: Split = (length) => {
  const pieces = Array.from({ length: Math.floor(length / 65_536) }, () => 65_536)
  return length % 65_536 === 0 ? pieces : [...pieces, length % 65_536]
}

interface Batch {
  readonly topic: string
  readonly size: number
}

function produce(batches: readonly Batch[], { acks = 1, id = 7 } = {}): Buffer {
  const topics = batches.map(({ topic, size }) =>
    all(str(topic), array([all(i32(3), bytes(Buffer.alloc(size, 0x55)))])),
  )
  return request({ key: 0, version: 7, id }, all(str(null), i16(acks), i32(1000), array(topics)))
}

const produced = (topic: string, error: number): Buffer =>
  all(str(topic), array([all(i32(3), i16(error), i64(-1), i64(-1), i64(-1))]))

t.test('one topic: nothing but the head is held, however large the records', async (t) => {
  const sent = produce([{ topic: 'a', size: 5 * MIB }])
  const connection = new KafkaConnectionUnderTest()
  for (let at = 0; at < sent.length; at += 65_536) {
    connection.client(sent.subarray(at, at + 65_536))
    t.equal(connection.memory.retained(ORIGINAL), 0)
  }
  t.ok(connection.toBroker().equals(sent))
})

t.test('one topic that is denied is swallowed as it comes', async (t) => {
  const sent = produce([{ topic: 'denied', size: 5 * MIB }])
  const connection = new KafkaConnectionUnderTest()
  for (let at = 0; at < sent.length; at += 65_536) {
    connection.client(sent.subarray(at, at + 65_536))
    t.ok(connection.memory.retained(ORIGINAL) < 4096)
  }
  t.equal(connection.toBroker().length, 0)
  t.same(connection.toClient(), response(7, all(array([produced('denied', 29)]), i32(0))))
})

t.test('several allowed topics beyond the limit pass', async (t) => {
  const sent = produce([
    { topic: 'a', size: 2 * MIB },
    { topic: 'b', size: 2 * MIB },
    { topic: 'c', size: 10 },
  ])
  const script: Script = [{ direction: ORIGINAL, bytes: sent }]
  const connection = checkLaws(kafka(), script, [inReads], MAX_RETAINED_BYTES)
  t.ok(connection.output(ORIGINAL).equals(sent))
})

t.test('a topic is denied when the beginning has passed: the broker gets no whole request', async (t) => {
  const first = produce([{ topic: 'a', size: 10 }], { id: 1 })
  const sent = produce(
    [
      { topic: 'a', size: 2 * MIB },
      { topic: 'denied', size: MIB },
      { topic: 'b', size: 10 },
      { topic: 'deny2', size: 5 },
    ],
    { id: 2 },
  )
  const answer = response(1, Buffer.from('first'))
  const script: Script = [
    { direction: ORIGINAL, bytes: all(first, sent) },
    { direction: REPLY, bytes: answer },
  ]
  const connection = checkLaws(kafka(), script, [inReads], MAX_RETAINED_BYTES)
  t.equal(connection.errorCode, 'KAFKA_LATE_DENIAL')
  const toBroker = connection.output(ORIGINAL)
  t.ok(toBroker.length < first.length + 2 * MIB + 100, 'nothing of the denied records')
  // What is allowed may be sent again: the error says so.
  const denial = all(produced('a', 6), produced('denied', 29), produced('b', 6), produced('deny2', 29))
  t.same(connection.output(REPLY), all(answer, response(2, all(i32(4), denial, i32(0)))))
  t.match(connection.subject.observed.at(-1), {
    topic: 'denied',
    verdict: { allowed: false },
    error: 'KAFKA_LATE_DENIAL',
  })
})

t.test(
  'a topic is denied within what is held of a request that is larger: all of it is swallowed',
  async (t) => {
    const sent = produce([
      { topic: 'a', size: 10 },
      { topic: 'denied', size: 10 },
      { topic: 'b', size: 2 * MIB },
    ])
    const connection = checkLaws(
      kafka(),
      [{ direction: ORIGINAL, bytes: sent }],
      [inReads],
      MAX_RETAINED_BYTES,
    )
    t.equal(connection.output(ORIGINAL).length, 0)
    t.same(
      connection.output(REPLY),
      response(7, all(i32(3), produced('a', 6), produced('denied', 29), produced('b', 6), i32(0))),
    )
    t.equal(connection.errorCode, '', 'the connection goes on')
  },
)

t.test('other requests beyond the limit are refused', async (t) => {
  const names = Array.from({ length: 9000 }, (_, i) => str(`topic-${i}-${'x'.repeat(120)}`))
  const sent = request({ key: 3, version: 1 }, array(names))
  t.ok(sent.length > MAX_HELD_BYTES)
  const connection = checkLaws(kafka(), [{ direction: ORIGINAL, bytes: sent }], [inReads], MAX_RETAINED_BYTES)
  t.equal(connection.errorCode, 'KAFKA_HELD_TOO_LARGE')
  t.equal(connection.output(ORIGINAL).length, 0)
})

t.test('more elements than may be named are refused', async (t) => {
  const indexes = Array.from({ length: 100_001 }, () => i32(0))
  const sent = request(
    { key: 9, version: 1 },
    all(str('g'), array([all(str('a'), array(indexes)), all(str('b'), array([]))])),
  )
  const connection = new KafkaConnectionUnderTest()
  t.equal(connection.client(sent).error, 'KAFKA_TOO_MANY_ELEMENTS')
})

t.test('a request that drips in is read once, not once per byte', async (t) => {
  const names = Array.from({ length: 4000 }, (_, i) => str(`topic-${i}`))
  const sent = request({ key: 3, version: 1 }, array(names))
  const connection = new KafkaConnectionUnderTest()
  const { parser } = connection.memory.subject
  // As the relay does it: all that was not consumed, and one more byte each time.
  let reads = 0
  const counted = new Proxy(sent, {
    get: (target, name) => {
      if (name === 'readInt16BE' || name === 'toString') reads++
      const value: unknown = Reflect.get(target, name, target)
      return typeof value === 'function' ? (value.bind(target) as unknown) : value
    },
  })
  for (let end = 1; end < sent.length; end++) parser.receive(ORIGINAL, counted, 0, end, 0)
  t.ok(reads < 4 * sent.length, `${reads} reads of ${sent.length} bytes`)
})

t.test('a request that drips in for too long is given up', async (t) => {
  const connection = new KafkaConnectionUnderTest()
  const { parser } = connection.memory.subject
  t.equal(parser.deadlineMs, Number.POSITIVE_INFINITY)
  connection.client(i32(100))
  const { deadlineMs } = parser
  t.equal(deadlineMs, connection.memory.nowMs + 60_000)
  parser.expire(deadlineMs - 1)
  t.equal(connection.error, '')
  parser.expire(deadlineMs)
  t.equal(connection.error, 'KAFKA_REQUEST_TIMEOUT')
})

t.test('requests without end are not read before the broker has answered', async (t) => {
  const connection = new KafkaConnectionUnderTest()
  for (let id = 0; id < 300; id++) connection.client(produce([{ topic: 'a', size: 1 }], { id }))
  t.notOk(connection.memory.subject.parser.wants(ORIGINAL))
  t.ok(connection.memory.retained(ORIGINAL) > 0)
  connection.broker(...Array.from({ length: 256 }, (_, id) => response(id, all())))
  t.equal(connection.memory.retained(ORIGINAL), 0)
})
