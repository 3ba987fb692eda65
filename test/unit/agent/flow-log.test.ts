import t from 'tap'
import { FlowLog } from '../../../src/agent/flow-log.ts'

const lines = (from: number, to: number): string => {
  let text = ''
  for (let i = from; i < to; i++) text += `${i}\n`
  return text
}

t.test('keeps the newest lines, in order', async (t) => {
  const log = new FlowLog({ capacity: 4 })
  t.same(log.last(10), [])
  log.append(lines(0, 3))
  t.same(log.last(2), ['1', '2'])
  log.append(lines(3, 10))
  t.same(log.last(10), ['6', '7', '8', '9'])
  t.same(log.last(0), [])
})

t.test('takes a last line without end, and no empty ones', async (t) => {
  const log = new FlowLog()
  log.append('a\n\nb')
  t.same(log.last(5), ['a', 'b'])
})

t.test('a follower gets every line and is woken once per batch', async (t) => {
  const log = new FlowLog()
  let wakes = 0
  log.append('before\n')
  const follower = log.follow(() => wakes++)
  log.append(lines(0, 3))
  t.equal(wakes, 1)
  t.same(
    [follower.next(), follower.next(), follower.next(), follower.next()].map((line) => line?.flow),
    ['0', '1', '2', undefined],
  )
  log.append('x')
  t.equal(wakes, 2)
})

t.test('a slow follower loses counted lines, others lose none', async (t) => {
  const log = new FlowLog({ queueLines: 2 })
  const slow = log.follow(() => {})
  const fast: string[] = []
  const reader = log.follow(() => {
    for (let line = reader.next(); line !== undefined; line = reader.next()) fast.push(line.flow)
  })
  log.append(lines(0, 5))
  t.same(fast, ['0', '1', '2', '3', '4'])
  t.same(slow.next(), { flow: '0', lost: 0 })
  log.append('5')
  t.same(
    [slow.next(), slow.next()],
    [
      { flow: '1', lost: 0 },
      { flow: '5', lost: 3 },
    ],
  )
})

t.test('a follower that never quite catches up stays bounded', async (t) => {
  const log = new FlowLog({ queueLines: 3 })
  const follower = log.follow(() => {})
  log.append(lines(0, 2))
  for (let i = 2; i < 100; i++) {
    t.equal(follower.next()?.flow, String(i - 2))
    log.append(`${i}`)
  }
})

t.test('loss upstream counts for the log and for every follower', async (t) => {
  const log = new FlowLog()
  const follower = log.follow(() => {})
  log.append('a', 7)
  t.equal(log.lost, 7)
  t.same(follower.next(), { flow: 'a', lost: 7 })
  follower.close()
  log.append('b')
  t.equal(follower.next(), undefined)
})

t.test('the past of workers is merged by time and cut at the old end', async (t) => {
  const line = (ms: number): string => JSON.stringify({ time: new Date(ms).toISOString() })
  const past = (...times: number[]): Buffer => Buffer.from(times.map((ms) => `${line(ms)}\n`).join(''))
  const log = new FlowLog({ capacity: 4 })
  const follower = log.follow(() => {})
  log.append([3, 4, 6].map(line).join('\n'))
  for (let i = 0; i < 3; i++) follower.next()
  log.receive({ ndjson: past(1, 2, 5), lost: 2, past: true })
  t.same(log.last(9), [3, 4, 5, 6].map(line))
  t.equal(log.lost, 2)
  t.equal(follower.next(), undefined, 'followers asked for it themselves')
  log.receive({ ndjson: past(7), lost: 0, past: false })
  t.same(log.last(9), [4, 5, 6, 7].map(line))
  t.same(follower.next(), { flow: line(7), lost: 2 })
})
