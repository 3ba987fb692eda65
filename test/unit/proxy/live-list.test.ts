import fc from 'fast-check'
import t from 'tap'
import { LiveList, type Listed } from '../../../src/proxy/live-list.ts'

interface Item extends Listed {
  readonly name: number
}

t.test('holds what a Set would hold after the same calls', async (t) => {
  const calls = fc.array(fc.record({ isDelete: fc.boolean(), name: fc.nat(12) }), { maxLength: 200 })
  fc.assert(
    fc.property(calls, (all) => {
      const items = Array.from({ length: 13 }, (_, name): Item => ({ name, liveIndex: -1 }))
      const list = new LiveList<Item>()
      const model = new Set<Item>()
      for (const { isDelete, name } of all) {
        const item = items[name]!
        if (isDelete) {
          list.delete(item)
          model.delete(item)
        } else if (!model.has(item)) {
          list.add(item)
          model.add(item)
        }
      }
      const names = (of: Iterable<Item>): number[] => [...of].map(({ name }) => name).sort((a, b) => a - b)
      t.strictSame(names({ [Symbol.iterator]: () => list[Symbol.iterator]() }), names(model))
      t.equal(list.size, model.size)
    }),
    { numRuns: 50 },
  )
})

t.test('visits each once while all of them leave', async (t) => {
  const list = new LiveList<Item>()
  const items = [0, 1, 2, 3].map((name): Item => ({ name, liveIndex: -1 }))
  for (const item of items) list.add(item)
  const seen: number[] = []
  for (const item of list) {
    seen.push(item.name)
    list.delete(item)
  }
  t.strictSame(seen, [0, 1, 2, 3])
  t.equal(list.size, 0)
})
