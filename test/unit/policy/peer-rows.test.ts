import fc from 'fast-check'
import t from 'tap'
import { asIdentity } from '../../../src/lib/brands.ts'
import { NO_ENTRIES, PeerRows, type Entries } from '../../../src/policy/peer-rows.ts'
import type { PeerEntry } from '../../../src/policy/policy-map.ts'

const entry: PeerEntry = { protocol: 6, port: 80, portBits: 16, verdict: 'allow', precedence: 1 }
const some: readonly Entries[] = [NO_ENTRIES, [entry], [{ ...entry, port: 81 }]]
const change = fc.tuple(fc.integer({ min: 1, max: 60 }).map(asIdentity), fc.constantFrom(...some))

t.test('every version keeps its own rows, however often it is copied', async (t) => {
  fc.assert(
    fc.property(fc.array(fc.array(change, { maxLength: 8 }), { maxLength: 30 }), (batches) => {
      let rows = new PeerRows(new Map())
      const wanted = new Map<number, Entries>()
      const versions: [PeerRows, string][] = []
      for (const batch of batches) {
        const changes = new Map(batch)
        rows = rows.with(changes)
        for (const [peer, entries] of changes) {
          if (entries.length === 0) wanted.delete(peer)
          else wanted.set(peer, entries)
        }
        for (let peer = 1; peer <= 60; peer++) {
          if (rows.of(asIdentity(peer)) !== (wanted.get(peer) ?? NO_ENTRIES)) throw new Error(`peer ${peer}`)
        }
        versions.push([rows, sorted(wanted)])
      }
      for (const [version, then] of versions) if (sorted(version) !== then) throw new Error('changed later')
    }),
  )
  t.pass()
})

function sorted(rows: Iterable<[number, Entries]>): string {
  return JSON.stringify([...rows].sort(([a], [b]) => a - b))
}
