// What answers of the broker tell, and what of it the client gets to see.
import t from 'tap'
import {
  all,
  array,
  carray,
  cstr,
  i16,
  i32,
  i64,
  i8,
  NO_TAGS,
  request,
  response,
  str,
} from '../../../conformance/kafka/wire.ts'
import { ALLOWED, DENIED, KafkaConnectionUnderTest } from '../../../conformance/kafka/subject.ts'
import type { KafkaJudge } from '../../../../src/l7rules/kafka/request.ts'
import { TopicIds } from '../../../../src/l7rules/kafka/topic-ids.ts'

const ID_A = Buffer.alloc(16, 0xa1)
const ID_DENIED = Buffer.alloc(16, 0xd1)
const ID_OTHER = Buffer.alloc(16, 0xe1)

function metadata12(topics: readonly Buffer[]): { ask: Buffer; answer: Buffer } {
  const ask = request(
    { key: 3, version: 12, id: 1, flexible: true },
    all(carray(null), i8(0), i8(0), NO_TAGS),
  )
  return {
    ask,
    answer: response(1, all(i32(0), carray([]), cstr(null), i32(1), carray(topics), NO_TAGS), true),
  }
}
const topic12 = (name: string, id: Buffer): Buffer =>
  all(i16(0), cstr(name), id, i8(0), carray([]), i32(-2147483648), NO_TAGS)

/** Version 13: topics by id. */
function fetch13(ids: readonly Buffer[], id = 2): Buffer {
  const partition = all(i32(0), i32(-1), i64(0), i32(-1), i64(-1), i32(1000), NO_TAGS)
  return request(
    { key: 1, version: 13, id, flexible: true },
    all(
      i32(-1),
      i32(500),
      i32(1),
      i32(1000),
      i8(0),
      i32(0),
      i32(-1),
      carray(ids.map((topic) => all(topic, carray([partition]), NO_TAGS))),
      carray([]),
      cstr(''),
      NO_TAGS,
    ),
  )
}
function fetched13(results: readonly (readonly [id: Buffer, error: number])[], id = 2): Buffer {
  const partition = (error: number): Buffer =>
    all(i32(0), i16(error), i64(-1), i64(-1), i64(-1), carray([]), i32(-1), cstr(''), NO_TAGS)
  const topics = results.map(([topic, error]) => all(topic, carray([partition(error)]), NO_TAGS))
  return response(id, all(i32(0), i16(0), i32(0), carray(topics), NO_TAGS), true)
}

t.test('topic ids are learned from metadata, also for other connections', async (t) => {
  const topicIds = new TopicIds()
  const first = new KafkaConnectionUnderTest({ topicIds })
  t.equal(first.client(fetch13([ID_A])).toBroker().length, 0, 'an id that nobody has named is not passed')
  t.same(first.toClient(), fetched13([[ID_A, 100]]), 'and clients ask for metadata anew')
  const { ask, answer } = metadata12([topic12('a', ID_A), topic12('denied', ID_DENIED)])
  first.client(ask).broker(answer)
  t.same(first.toClient(), metadata12([topic12('a', ID_A)]).answer)
  const second = new KafkaConnectionUnderTest({ topicIds })
  t.same(second.client(fetch13([ID_A])).toBroker(), fetch13([ID_A]))
  second.broker(fetched13([[ID_A, 0]])).toClient()
  t.same(second.client(fetch13([ID_DENIED, ID_A, ID_OTHER], 3)).toBroker(), fetch13([ID_A], 3))
  second.broker(fetched13([[ID_A, 0]], 3))
  t.same(
    second.toClient(),
    fetched13(
      [
        [ID_DENIED, 29],
        [ID_OTHER, 100],
        [ID_A, 0],
      ],
      3,
    ),
  )
})

t.test('the oldest topic id is forgotten first', async (t) => {
  const topicIds = new TopicIds()
  for (let i = 0; i <= 65_536; i++) topicIds.learn(String(i), `topic-${i}`)
  t.equal(topicIds.nameOf('0'), undefined)
  t.equal(topicIds.nameOf('1'), 'topic-1')
  t.equal(topicIds.nameOf('65536'), 'topic-65536')
})

t.test('metadata by id and by name', async (t) => {
  const byId = (id: Buffer, name: string | null): Buffer =>
    request(
      { key: 3, version: 12, id: 5, flexible: true },
      all(carray([all(id, cstr(name), NO_TAGS)]), i8(0), i8(0), NO_TAGS),
    )
  const topicIds = new TopicIds()
  topicIds.learn(ID_DENIED.toString('hex'), 'denied')
  topicIds.learn(ID_A.toString('hex'), 'a')
  for (const [sent, passes] of [
    [byId(ID_A, null), true],
    [byId(ID_DENIED, null), false],
    // Whichever of both the broker goes by.
    [byId(ID_DENIED, 'a'), false],
    [byId(ID_A, 'denied'), false],
    [byId(Buffer.alloc(16), null), false],
  ] as const) {
    const connection = new KafkaConnectionUnderTest({ topicIds })
    const nothing = request(
      { key: 3, version: 12, id: 5, flexible: true },
      all(carray([]), i8(0), i8(0), NO_TAGS),
    )
    t.same(connection.client(sent).toBroker(), passes ? sent : nothing)
  }
})

t.test('groups that are denied are not listed', async (t) => {
  const connection = new KafkaConnectionUnderTest()
  const group = (name: string): Buffer => all(str(name), str('consumer'))
  connection.client(request({ key: 16, version: 1, id: 1 }, all()))
  connection.broker(response(1, all(i32(0), i16(0), array(['denied', 'g', 'deny'].map(group)))))
  t.same(connection.toClient(), response(1, all(i32(0), i16(0), array([group('g')]))))
})

t.test('all offsets of a group, without those of denied topics', async (t) => {
  const connection = new KafkaConnectionUnderTest()
  const ask = request(
    { key: 9, version: 8, id: 1, flexible: true },
    all(carray([all(cstr('g'), carray(null), NO_TAGS)]), i8(0), NO_TAGS),
  )
  const topic = (name: string): Buffer =>
    all(cstr(name), carray([all(i32(0), i64(5), i32(-1), cstr(null), i16(0), NO_TAGS)]), NO_TAGS)
  const answer = (names: readonly string[]): Buffer =>
    response(
      1,
      all(i32(0), carray([all(cstr('g'), carray(names.map(topic)), i16(0), NO_TAGS)]), NO_TAGS),
      true,
    )
  t.same(connection.client(ask).toBroker(), ask)
  t.same(connection.broker(answer(['a', 'denied', 'b'])).toClient(), answer(['a', 'b']))
})

t.test('one topic of a group is denied: no offset is made up for the others', async (t) => {
  const connection = new KafkaConnectionUnderTest()
  const topic = (name: string): Buffer => all(cstr(name), carray([i32(0)]), NO_TAGS)
  connection.client(
    request(
      { key: 9, version: 8, id: 1, flexible: true },
      all(carray([all(cstr('g'), carray([topic('a'), topic('denied')]), NO_TAGS)]), i8(0), NO_TAGS),
    ),
  )
  t.equal(connection.toBroker().length, 0)
  const shown = (name: string, error: number): Buffer =>
    all(cstr(name), carray([all(i32(0), i64(-1), i32(-1), cstr(null), i16(error), NO_TAGS)]), NO_TAGS)
  t.same(
    connection.toClient(),
    response(
      1,
      all(
        i32(0),
        carray([all(cstr('g'), carray([shown('a', 88), shown('denied', 29)]), i16(0), NO_TAGS)]),
        NO_TAGS,
      ),
      true,
    ),
  )
})

t.test('a new policy judges the next request', async (t) => {
  let isAllowed = true
  const judge: KafkaJudge = { judge: () => (isAllowed ? ALLOWED : DENIED), restrictsResources: () => true }
  const connection = new KafkaConnectionUnderTest({ judge })
  const heartbeat = (id: number): Buffer =>
    request({ key: 12, version: 0, id }, all(str('g'), i32(1), str('m')))
  t.same(connection.client(heartbeat(1)).toBroker(), heartbeat(1))
  isAllowed = false
  t.equal(connection.client(heartbeat(2)).toBroker().length, 0)
  t.same(connection.broker(response(1, i16(0))).toClient(), all(response(1, i16(0)), response(2, i16(30))))
})

t.test('an observer changes nothing', async (t) => {
  const judge: KafkaJudge = { judge: () => ALLOWED, restrictsResources: () => true }
  const connection = new KafkaConnectionUnderTest({ judge, observes: true })
  const ask = request({ key: 18, version: 0, id: 1 }, all())
  const answer = response(1, all(i16(0), array([all(i16(1), i16(0), i16(18))])))
  t.same(connection.client(ask).toBroker(), ask)
  t.same(connection.broker(answer).toClient(), answer)
  const session = fetch13([ID_OTHER])
  t.same(connection.client(session).toBroker(), session)
  const unknown = request({ key: 999, version: 9, id: 3 }, Buffer.from('?'))
  t.same(connection.client(unknown).toBroker(), unknown)
  connection.broker(fetched13([]), response(3, all()))
  t.equal(connection.records.length, 3)
})
