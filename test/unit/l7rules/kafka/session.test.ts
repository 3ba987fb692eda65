// Requests in, answers out: what reaches the broker, what the client is told, and in which order.
import t from 'tap'
import {
  all,
  array,
  bytes,
  carray,
  cbytes,
  cstr,
  i16,
  i32,
  i64,
  i8,
  NO_TAGS,
  request,
  response,
  str,
  tags,
  uvarint,
} from '../../../conformance/kafka/wire.ts'
import { allowApis, KafkaConnectionUnderTest } from '../../../conformance/kafka/subject.ts'

const RECORDS = Buffer.from('records of any kind')

function produce(topics: readonly string[], { acks = 1, id = 7, version = 7 } = {}): Buffer {
  const isFlexible = version >= 9
  const [string, list, blob, end] = isFlexible ? [cstr, carray, cbytes, NO_TAGS] : [str, array, bytes, all()]
  const body = all(
    version >= 3 ? string(null) : all(),
    i16(acks),
    i32(1000),
    list(topics.map((topic) => all(string(topic), list([all(i32(0), blob(RECORDS), end)]), end))),
    end,
  )
  return request({ key: 0, version, id, flexible: isFlexible }, body)
}

const produced = (topic: string, error: number): Buffer =>
  all(str(topic), array([all(i32(0), i16(error), i64(-1), i64(-1), i64(-1))]))

t.test('what is allowed passes byte for byte, and so does its answer', async (t) => {
  for (const version of [0, 3, 7, 8, 9, 12]) {
    const connection = new KafkaConnectionUnderTest()
    const sent = produce(['empire', 'plans'], { version })
    connection.client(sent)
    t.same(connection.toBroker(), sent, `v${version}`)
    const answer = response(7, Buffer.from('whatever'))
    t.same(connection.broker(answer).toClient(), answer)
    t.match(connection.records, [
      { correlationId: 7, topic: 'empire', errorCode: 0, error: '', verdict: { allowed: true } },
    ])
  }
})

t.test('a denied topic is answered and never reaches the broker', async (t) => {
  const connection = new KafkaConnectionUnderTest()
  connection.client(produce(['denied'], { id: 9 }))
  t.equal(connection.toBroker().length, 0)
  t.same(connection.toClient(), response(9, all(array([produced('denied', 29)]), i32(0))))
  t.match(connection.records, [{ topic: 'denied', errorCode: 29, verdict: { allowed: false } }])
})

t.test('of several topics the denied ones are cut out and marked', async (t) => {
  const connection = new KafkaConnectionUnderTest()
  connection.client(produce(['a', 'denied', 'b', 'deny2']))
  t.same(connection.toBroker(), produce(['a', 'b']))
  const rest = all(produced('a', 0), produced('b', 0))
  connection.broker(response(7, all(i32(2), rest, i32(0))))
  t.same(
    connection.toClient(),
    response(7, all(i32(4), produced('denied', 29), produced('deny2', 29), rest, i32(0))),
  )
})

t.test(
  'an answer so long that its length could not be told with what is added ends the connection',
  async (t) => {
    const connection = new KafkaConnectionUnderTest()
    connection.client(produce(['a', 'denied', 'b', 'deny2'])).toBroker()
    const answer = response(7, all(i32(2), produced('a', 0), produced('b', 0), i32(0)))
    answer.writeInt32BE(0x7fff_fff0, 0)
    t.equal(connection.broker(answer).error, 'KAFKA_MALFORMED_RESPONSE')
    t.equal(connection.toClient().length, 0)
  },
)

t.test('answers keep the order of their requests', async (t) => {
  const connection = new KafkaConnectionUnderTest()
  connection.client(produce(['a'], { id: 1 }), produce(['denied'], { id: 2 }), produce(['b'], { id: 3 }))
  t.same(connection.toBroker(), all(produce(['a'], { id: 1 }), produce(['b'], { id: 3 })))
  t.equal(connection.toClient().length, 0, 'no denial before the answer to the first')
  const [first, third] = [response(1, Buffer.from('one')), response(3, Buffer.from('three'))]
  const denial = response(2, all(array([produced('denied', 29)]), i32(0)))
  t.same(connection.broker(first).toClient(), all(first, denial))
  t.same(connection.broker(third).toClient(), third)
})

t.test('without acknowledgement', async (t) => {
  const connection = new KafkaConnectionUnderTest()
  connection.client(produce(['a'], { acks: 0, id: 1 }), produce(['a'], { id: 2 }))
  const answer = response(2, Buffer.from('two'))
  t.same(connection.broker(answer).toClient(), answer, 'the first has no answer')
  t.equal(connection.records.length, 2)
  connection.client(
    produce(['a'], { id: 3 }),
    produce(['denied'], { acks: 0, id: 4 }),
    produce(['a'], { id: 5 }),
  )
  t.same(connection.toBroker().subarray(-produce(['a'], { id: 3 }).length), produce(['a'], { id: 3 }))
  t.notOk(connection.memory.isFinished(1), 'the earlier answer is due')
  const third = response(3, Buffer.from('three'))
  t.same(connection.broker(third).toClient(), third)
  t.ok(connection.memory.isFinished(1), 'then the connection is closed, as a broker does')
  t.equal(connection.toBroker().length, 0)
})

t.test('metadata', async (t) => {
  const named = (names: readonly string[] | null, id = 7): Buffer =>
    request(
      { key: 3, version: 9, id, flexible: true },
      all(carray(names?.map((name) => all(cstr(name), NO_TAGS)) ?? null), i8(1), i8(0), i8(0), NO_TAGS),
    )
  const broker = all(i32(5), cstr('host'), i32(9092), cstr(null), NO_TAGS)
  const topic = (name: string, error = 0): Buffer =>
    all(i16(error), cstr(name), i8(0), carray([]), i32(-2147483648), NO_TAGS)
  const answer = (topics: readonly Buffer[]): Buffer =>
    response(7, all(i32(0), carray([broker]), cstr('cluster'), i32(5), carray(topics), i32(0), NO_TAGS), true)
  await t.test('named: denied topics are asked for by nobody, and marked', async (t) => {
    const connection = new KafkaConnectionUnderTest()
    t.same(connection.client(named(['denied', 'a'])).toBroker(), named(['a']))
    t.same(connection.broker(answer([topic('a')])).toClient(), answer([topic('denied', 29), topic('a')]))
    connection.client(named(['denied']))
    t.same(connection.toBroker(), named([]), 'the brokers have to come from the broker')
    t.same(connection.broker(answer([])).toClient(), answer([topic('denied', 29)]))
  })
  await t.test('all topics: denied ones are left out', async (t) => {
    const connection = new KafkaConnectionUnderTest()
    t.same(connection.client(named(null)).toBroker(), named(null))
    connection.broker(answer([topic('denied'), topic('a'), topic('deny2'), topic('b')]))
    t.same(connection.toClient(), answer([topic('a'), topic('b')]))
  })
  await t.test('denied as an API: the broker that was dialled answers, without the cluster', async (t) => {
    const connection = new KafkaConnectionUnderTest({ judge: allowApis(0) })
    t.equal(connection.client(named(['a'])).toBroker().length, 0)
    const self = all(i32(0), cstr('10.0.0.7'), i32(9092), cstr(null), NO_TAGS)
    t.same(
      connection.toClient(),
      response(
        7,
        all(i32(0), carray([self]), cstr(null), i32(0), carray([topic('a', 29)]), i32(-2147483648), NO_TAGS),
        true,
      ),
    )
  })
})

t.test('ApiVersions lowers what the broker offers', async (t) => {
  const connection = new KafkaConnectionUnderTest()
  const ask = request({ key: 18, version: 3, flexible: true }, all(cstr('lib'), cstr('1'), NO_TAGS))
  t.same(connection.client(ask).toBroker(), ask)
  const answer = (entries: readonly (readonly [number, number, number])[]): Buffer =>
    response(
      7,
      all(
        i16(0),
        carray(entries.map(([key, min, max]) => all(i16(key), i16(min), i16(max), NO_TAGS))),
        i32(0),
        tags([1, i64(3)]),
      ),
    )
  connection.broker(
    answer([
      [0, 3, 13],
      [1, 4, 18],
      [3, 0, 99],
      [18, 0, 4],
      [999, 0, 1],
    ]),
  )
  t.same(
    connection.toClient(),
    answer([
      [0, 3, 12],
      [1, 4, 12],
      [3, 0, 13],
      [18, 0, 4],
      [999, 0, 1],
    ]),
  )
  t.same(
    connection.client(request({ key: 18, version: 9, id: 8 }, Buffer.from('unknown'))).toBroker().length,
    0,
  )
  t.same(connection.toClient(), response(8, all(i16(35), array([all(i16(18), i16(0), i16(4))]))))
})

t.test('an unknown API, or version, ends the connection in its turn', async (t) => {
  for (const [key, version, error] of [
    [999, 0, 'KAFKA_UNKNOWN_API'],
    [0, 99, 'KAFKA_UNKNOWN_VERSION'],
  ] as const) {
    const connection = new KafkaConnectionUnderTest()
    connection.client(
      produce(['a'], { id: 1 }),
      request({ key, version, id: 2 }, Buffer.from('?')),
      produce(['a'], { id: 3 }),
    )
    t.same(connection.toBroker(), produce(['a'], { id: 1 }))
    t.equal(connection.error, '')
    const answer = response(1, Buffer.from('one'))
    t.same(connection.broker(answer).toClient(), answer)
    t.equal(connection.error, error)
  }
  const connection = new KafkaConnectionUnderTest({ judge: allowApis(999) })
  const sent = request({ key: 999, version: 3 }, Buffer.from('anything'))
  t.same(connection.client(sent).toBroker(), sent, 'where nothing is restricted it passes')
})

t.test('a Fetch gets no session', async (t) => {
  const fetch = (session: number, epoch: number, names: readonly string[]): Buffer =>
    request(
      { key: 1, version: 11 },
      all(
        i32(-1),
        i32(500),
        i32(1),
        i32(1 << 20),
        i8(0),
        i32(session),
        i32(epoch),
        array(names.map((name) => all(str(name), array([all(i32(3), i32(-1), i64(0), i64(-1), i32(1000))])))),
        array([]),
        str('rack'),
      ),
    )
  const partition = (error: number): Buffer =>
    all(
      i32(3),
      i16(error),
      i64(-1),
      i64(-1),
      i64(-1),
      array(error === 0 ? [] : []),
      i32(-1),
      bytes(Buffer.alloc(0)),
    )
  const connection = new KafkaConnectionUnderTest()
  t.same(connection.client(fetch(0, 0, ['a', 'denied'])).toBroker(), fetch(0, -1, ['a']))
  const head = all(i32(0), i16(0), i32(0))
  connection.broker(response(7, all(head, array([all(str('a'), array([partition(0)]))]))))
  t.same(
    connection.toClient(),
    response(
      7,
      all(head, array([all(str('denied'), array([partition(29)])), all(str('a'), array([partition(0)]))])),
    ),
  )
  t.equal(connection.client(fetch(77, 4, [])).toBroker().length, 0)
  t.same(connection.toClient(), response(7, all(i32(0), i16(70), i32(0), array([]))))
})

t.test('groups and transactional ids', async (t) => {
  const connection = new KafkaConnectionUnderTest()
  connection.client(request({ key: 10, version: 1, id: 1 }, all(str('deny-group'), i8(0))))
  t.same(connection.toClient(), response(1, all(i32(0), i16(30), str(null), i32(-1), str(''), i32(-1))))
  connection.client(request({ key: 10, version: 1, id: 2 }, all(str('deny-id'), i8(1))))
  t.same(connection.toClient(), response(2, all(i32(0), i16(53), str(null), i32(-1), str(''), i32(-1))))
  connection.client(
    request(
      { key: 10, version: 4, id: 3, flexible: true },
      all(i8(0), carray([cstr('deny-group')]), NO_TAGS),
    ),
  )
  t.same(
    connection.toClient(),
    response(
      3,
      all(
        i32(0),
        carray([all(cstr('deny-group'), i32(-1), cstr(''), i32(-1), i16(30), cstr(null), NO_TAGS)]),
        NO_TAGS,
      ),
      true,
    ),
  )
  connection.client(request({ key: 22, version: 1, id: 4 }, all(str('deny-id'), i32(1000))))
  t.same(connection.toClient(), response(4, all(i32(0), i16(53), i64(-1), i16(-1))))
  connection.client(
    request(
      { key: 12, version: 4, id: 5, flexible: true },
      all(cstr('deny-group'), i32(1), cstr('m'), cstr(null), NO_TAGS),
    ),
  )
  t.same(connection.toClient(), response(5, all(i32(0), i16(30), NO_TAGS), true))
  t.equal(connection.toBroker().length, 0)
})

t.test('bytes that are no Kafka', async (t) => {
  const cases: [string, Buffer][] = [
    ['KAFKA_TLS_CLIENT_HELLO', Buffer.from('16030100f4010000f00303', 'hex')],
    ['KAFKA_BAD_LENGTH', i32(-1)],
    ['KAFKA_BAD_LENGTH', all(i32(7), Buffer.alloc(7))],
    ['KAFKA_REQUEST_TOO_LARGE', i32(200 * 1024 * 1024)],
    ['KAFKA_MALFORMED_REQUEST', request({ key: 3, version: 1 }, i32(0x7fffffff))],
    ['KAFKA_MALFORMED_REQUEST', request({ key: 3, version: 1 }, i32(-2))],
    ['KAFKA_MALFORMED_REQUEST', request({ key: 3, version: 9, flexible: true }, Buffer.alloc(6, 0xff))],
    ['KAFKA_MALFORMED_REQUEST', request({ key: 12, version: 0 }, all(i16(9), Buffer.from('short')))],
    [
      'KAFKA_NAME_TOO_LONG',
      request({ key: 12, version: 4, flexible: true }, all(uvarint(40_001), Buffer.alloc(40_000))),
    ],
  ]
  for (const [code, sent] of cases) {
    const connection = new KafkaConnectionUnderTest()
    connection.client(sent)
    t.equal(connection.error, code)
    t.equal(connection.toBroker().length, 0)
  }
})

t.test('an answer that nobody waits for, or of another request', async (t) => {
  const early = new KafkaConnectionUnderTest()
  t.equal(early.broker(response(1, all())).error, 'KAFKA_UNSOLICITED_RESPONSE')
  const wrong = new KafkaConnectionUnderTest()
  wrong.client(produce(['a'], { id: 1 }))
  t.equal(wrong.broker(response(2, all())).error, 'KAFKA_CORRELATION_MISMATCH')
})
