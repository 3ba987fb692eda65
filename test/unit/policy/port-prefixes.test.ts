import fc from 'fast-check'
import t from 'tap'
import { portPrefixes } from '../../../src/policy/port-prefixes.ts'

const text = (first: number, last: number): string =>
  portPrefixes(first, last)
    .map(({ port, bits }) => `${port}/${bits}`)
    .join(' ')

t.test('examples', async (t) => {
  t.equal(text(80, 80), '80/16')
  t.equal(text(0, 65_535), '0/0')
  t.equal(text(8080, 8087), '8080/13')
  t.equal(text(80, 82), '80/15 82/16')
  t.equal(portPrefixes(1, 65_535).length, 16)
  t.equal(portPrefixes(1, 65_534).length, 30)
})

t.test('prefixes cover the range, each port once', async () => {
  const port = fc.integer({ min: 0, max: 65_535 })
  fc.assert(
    fc.property(port, port, (a, b) => {
      const [first, last] = [Math.min(a, b), Math.max(a, b)]
      let next = first
      for (const { port: start, bits } of portPrefixes(first, last)) {
        const size = 2 ** (16 - bits)
        if (start !== next || start % size !== 0) throw new Error(`${start}/${bits} does not follow ${next}`)
        next = start + size
      }
      if (next !== last + 1) throw new Error(`ends before ${next}`)
    }),
  )
})
