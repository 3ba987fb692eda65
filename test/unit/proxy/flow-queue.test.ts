import t from 'tap'
import { FlowQueue } from '../../../src/proxy/flow-queue.ts'

const bytes = (text: string): Uint8Array => Buffer.from(text)

/** Everything that would be sent now, as `past/live:text:answers:lost`. */
function sent(queue: FlowQueue): string[] {
  const result: string[] = []
  for (let batch = queue.shift(); batch !== undefined; batch = queue.shift()) {
    const text = Buffer.from(batch.ndjson as Uint8Array).toString()
    result.push(
      `${batch.past === true ? 'past' : 'live'}:${text}:${String(batch.answers)}:${String(batch.lost)}`,
    )
  }
  return result
}

t.test('nothing is sent unasked; a request gets the past and its id', async (t) => {
  const queue = new FlowQueue()
  queue.push(bytes('a'), 1)
  t.same(sent(queue), [])
  queue.request(5, false)
  t.same(sent(queue), ['past:a:0:0', 'past::5:0'])
  queue.push(bytes('b'), 1)
  t.same(sent(queue), [], 'and no more')
  queue.request(6, false)
  t.same(sent(queue), ['past:b:0:0', 'past::6:0'])
})

t.test('while followed, new batches go out until told otherwise', async (t) => {
  const queue = new FlowQueue()
  queue.request(1, true)
  queue.push(bytes('a'), 1)
  t.same(sent(queue), ['past::1:0', 'live:a:0:0'])
  queue.request(2, false)
  queue.push(bytes('b'), 1)
  t.same(sent(queue), ['past::2:0'])
})

t.test('unasked, old batches make room: by records and by bytes, without loss', async (t) => {
  const byRecords = new FlowQueue()
  for (const text of ['a', 'b', 'c']) byRecords.push(bytes(text), 2048)
  byRecords.request(1, false)
  t.same(sent(byRecords), ['past:b:0:0', 'past:c:0:0', 'past::1:0'])
  const byBytes = new FlowQueue(4)
  for (const text of ['aa', 'bb', 'cc', 'too long']) byBytes.push(bytes(text), 1)
  byBytes.request(1, false)
  t.same(sent(byBytes), ['past::1:0'])
  for (const text of ['aa', 'bb', 'cc']) byBytes.push(bytes(text), 1)
  byBytes.request(2, false)
  t.same(sent(byBytes), ['past:bb:0:0', 'past:cc:0:0', 'past::2:0'])
  t.equal(byRecords.lostTotal + byBytes.lostTotal, 0)
})

t.test('followed, what finds no room is lost and counted', async (t) => {
  const queue = new FlowQueue(4)
  queue.request(1, true)
  queue.push(bytes('aaa'), 1)
  queue.push(bytes('bb'), 7)
  t.equal(queue.lostTotal, 7)
  t.same(sent(queue), ['past::1:7', 'live:aaa:0:0'])
  queue.push(bytes('ccccc'), 2)
  t.same(sent(queue), ['live::0:2'], 'loss is told even when nothing else is')
  queue.push(bytes('dddd'), 1)
  t.same(sent(queue), ['live:dddd:0:0'], 'room is free again')
})

t.test('what an agent did not get waits for the next one', async (t) => {
  const queue = new FlowQueue()
  queue.push(bytes('a'), 1)
  queue.request(1, true)
  queue.push(bytes('b'), 1)
  queue.disconnect()
  queue.push(bytes('c'), 1)
  t.same(sent(queue), [])
  queue.request(1, false)
  t.same(sent(queue), ['past:a:0:0', 'past:b:0:0', 'past:c:0:0', 'past::1:0'])
})
