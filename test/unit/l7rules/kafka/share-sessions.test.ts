// Share sessions: what a ShareFetch means beside what it names.
import t from 'tap'
import {
  all,
  carray,
  cbytes,
  cstr,
  i16,
  i32,
  i8,
  NO_TAGS,
  request,
  response,
} from '../../../conformance/kafka/wire.ts'
import { denyByName, KafkaConnectionUnderTest } from '../../../conformance/kafka/subject.ts'
import { TopicIds } from '../../../../src/l7rules/kafka/topic-ids.ts'

const ID = {
  a: Buffer.alloc(16, 0xa1),
  b: Buffer.alloc(16, 0xb1),
  denied: Buffer.alloc(16, 0xd1),
  other: Buffer.alloc(16, 0xe1),
}

function fetch(
  epoch: number,
  ids: readonly Buffer[],
  { forgotten = [] as readonly Buffer[], group = 'g', id = 7 } = {},
): Buffer {
  const topic = (topicId: Buffer): Buffer => all(topicId, carray([all(i32(0), carray([]), NO_TAGS)]), NO_TAGS)
  const gone = (topicId: Buffer): Buffer => all(topicId, carray([i32(0)]), NO_TAGS)
  return request(
    { key: 78, version: 1, id, flexible: true },
    all(
      cstr(group),
      cstr('m'),
      i32(epoch),
      i32(500),
      i32(1),
      i32(1000),
      i32(10),
      i32(10),
      carray(ids.map(topic)),
      carray(forgotten.map(gone)),
      NO_TAGS,
    ),
  )
}

function fetched(results: readonly (readonly [id: Buffer, error: number])[], error = 0): Buffer {
  const partition = (code: number): Buffer =>
    all(
      i32(0),
      i16(code),
      cstr(null),
      i16(0),
      cstr(null),
      i32(-1),
      i32(-1),
      NO_TAGS,
      cbytes(Buffer.alloc(0)),
      carray([]),
      NO_TAGS,
    )
  const topics = results.map(([topic, code]) => all(topic, carray([partition(code)]), NO_TAGS))
  return response(7, all(i32(0), i16(error), cstr(null), i32(0), carray(topics), carray([]), NO_TAGS), true)
}

function open(denies: { topic: string } = { topic: '' }): KafkaConnectionUnderTest {
  const topicIds = new TopicIds()
  for (const name of ['a', 'b', 'denied'] as const) topicIds.learn(ID[name].toString('hex'), name)
  const judge = {
    ...denyByName,
    judge: (...[asked, access]: Parameters<typeof denyByName.judge>) =>
      denyByName.judge(asked, access.topic === denies.topic ? { topic: 'denied' } : access),
  }
  return new KafkaConnectionUnderTest({ topicIds, judge })
}

t.test('denied topics are not in the session of the broker, and marked', async (t) => {
  const connection = open()
  t.same(connection.client(fetch(0, [ID.a, ID.denied, ID.other])).toBroker(), fetch(0, [ID.a]))
  t.same(
    connection.broker(fetched([])).toClient(),
    fetched([
      [ID.denied, 29],
      [ID.other, 100],
    ]),
  )
  t.same(connection.client(fetch(1, [])).toBroker(), fetch(1, []), 'the session goes on')
  connection.broker(fetched([[ID.a, 0]])).toClient()
  t.same(connection.client(fetch(2, [ID.denied])).toBroker(), fetch(2, []))
  t.same(connection.broker(fetched([])).toClient(), fetched([[ID.denied, 29]]))
})

t.test('a session that began elsewhere is not known here', async (t) => {
  const connection = open()
  t.equal(connection.client(fetch(3, [])).toBroker().length, 0)
  t.same(connection.toClient(), fetched([], 122), 'the client begins anew')
})

t.test('a new policy denies what a session holds: the client begins anew', async (t) => {
  const denies = { topic: '' }
  const connection = open(denies)
  connection
    .client(fetch(0, [ID.a, ID.b]))
    .broker(fetched([]))
    .toBroker()
  connection.toClient()
  denies.topic = 'b'
  t.equal(connection.client(fetch(1, [])).toBroker().length, 0)
  t.same(connection.toClient(), fetched([], 122))
  t.same(
    connection.client(fetch(1, [], { forgotten: [ID.b] })).toBroker(),
    fetch(1, [], { forgotten: [ID.b] }),
  )
  connection.broker(fetched([])).toClient()
  t.same(connection.client(fetch(2, [])).toBroker(), fetch(2, []))
})

t.test('a denied group', async (t) => {
  const connection = open()
  t.equal(connection.client(fetch(0, [ID.a], { group: 'denied' })).toBroker().length, 0)
  t.same(connection.toClient(), fetched([[ID.a, 30]], 30))
})

t.test('the end of a session', async (t) => {
  const connection = open()
  connection
    .client(fetch(0, [ID.a]))
    .broker(fetched([]))
    .toBroker()
  t.same(connection.client(fetch(-1, [])).toBroker(), fetch(-1, []))
  connection.broker(fetched([])).toClient()
  connection.client(fetch(1, []))
  t.same(connection.toClient(), fetched([], 122))
})

t.test('acknowledgements name their topics', async (t) => {
  const connection = open()
  const acknowledge = (ids: readonly Buffer[]): Buffer =>
    request(
      { key: 79, version: 1, flexible: true },
      all(
        cstr('g'),
        cstr('m'),
        i32(1),
        carray(
          ids.map((id) =>
            all(
              id,
              carray([
                all(i32(0), carray([all(i32(0), i32(1), i32(0), i32(1), carray([i8(1)]), NO_TAGS)]), NO_TAGS),
              ]),
              NO_TAGS,
            ),
          ),
        ),
        NO_TAGS,
      ),
    )
  t.same(connection.client(acknowledge([ID.a, ID.denied])).toBroker(), acknowledge([ID.a]))
})
