import fc from 'fast-check'
import t from 'tap'
import { ByteQueue } from '../../../../src/proxy/io/byte-queue.ts'

t.test('bytes come out as they went in', async () => {
  const operation = fc.oneof(
    fc.record({ append: fc.uint8Array({ maxLength: 9000 }) }),
    fc.record({ consume: fc.integer({ min: 0, max: 9000 }) }),
  )
  fc.assert(
    fc.property(fc.array(operation, { maxLength: 40 }), (operations) => {
      const queue = new ByteQueue()
      let expected = Buffer.alloc(0)
      for (const step of operations) {
        if ('append' in step) {
          queue.append(step.append, 0, step.append.length)
          expected = Buffer.concat([expected, step.append])
        } else {
          const bytes = Math.min(step.consume, expected.length)
          queue.consume(bytes)
          expected = expected.subarray(bytes)
        }
        if (queue.length !== expected.length) return false
        if (!queue.buffer.subarray(queue.start, queue.end).equals(expected)) return false
      }
      return true
    }),
  )
})

t.test('byte by byte, a queue that moves on stays small and is not copied each time', async (t) => {
  const queue = new ByteQueue()
  const byte = Uint8Array.of(1)
  const buffers = new Set<Buffer>()
  for (let i = 0; i < 100_000; i++) {
    queue.append(byte, 0, 1)
    if (i >= 100) queue.consume(1)
    buffers.add(queue.buffer)
  }
  t.equal(queue.length, 100)
  t.ok(queue.buffer.length <= 8192)
  t.ok(buffers.size <= 2)
})

t.test('an empty queue holds no memory', async (t) => {
  const queue = new ByteQueue()
  queue.append(new Uint8Array(100_000), 0, 100_000)
  queue.consume(100_000)
  t.equal(queue.buffer.length, 0)
})
