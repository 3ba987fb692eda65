import t from 'tap'
import { asIdentity } from '../../../src/lib/brands.ts'
import { LocalIdentityAllocator, type IdentityStore } from '../../../src/policy/identity-allocator.ts'
import { reservedName, reservedPeers, type LabelledIdentity } from '../../../src/policy/identity.ts'
import { LabelSet } from '../../../src/policy/labels.ts'

const labels = (n: number): LabelSet => LabelSet.parse([`k8s:n=${n}`])

class MemoryStore implements IdentityStore {
  saved: readonly LabelledIdentity[] = []
  saves = 0
  load(): readonly LabelledIdentity[] {
    return this.saved
  }
  save(all: readonly LabelledIdentity[]): void {
    this.saved = all
    this.saves++
  }
}

t.test('numbers begin at 256 and follow the order of the calls', async (t) => {
  const allocator = new LocalIdentityAllocator()
  t.same(allocator.allocate([labels(1), labels(2), labels(1)]), [256, 257, 256])
  t.same(allocator.allocate([labels(3), labels(2)]), [258, 257])
  t.equal(allocator.labelsOf(asIdentity(257))?.key, 'k8s:n=2;')
  t.equal(allocator.labelsOf(asIdentity(300)), undefined)
})

t.test('a restart keeps numbers, and a batch is saved once', async (t) => {
  const store = new MemoryStore()
  new LocalIdentityAllocator(store).allocate([labels(1), labels(2)])
  t.equal(store.saves, 1)
  const next = new LocalIdentityAllocator(store)
  t.same(next.allocate([labels(2)]), [257])
  t.equal(store.saves, 1, 'nothing new, nothing to save')
  t.same(next.allocate([labels(3)]), [258])
})

t.test('what could not be saved is saved by the next call', async (t) => {
  const store = new MemoryStore()
  const allocator = new LocalIdentityAllocator(store)
  store.save = () => {
    throw new Error('disk full')
  }
  t.throws(() => allocator.allocate([labels(1)]), { message: 'disk full' })
  store.save = (all) => (store.saved = all)
  t.same(allocator.allocate([labels(1)]), [256])
  t.equal(store.saved.length, 1)
})

t.test('released numbers are reused only when there is no other', async (t) => {
  const allocator = new LocalIdentityAllocator()
  const all = Array.from({ length: 65_536 - 256 }, (_, i) => labels(i))
  allocator.allocate(all)
  t.throws(() => allocator.allocate([labels(-1)]), {
    code: 'ENDPOINTS_INVALID',
    message: /all 65280 numbers/,
  })
  allocator.release(asIdentity(300))
  allocator.release(asIdentity(299))
  t.same(allocator.allocate([labels(299 - 256)]), [299], 'asked for again before it was reused')
  t.same(allocator.allocate([labels(-1)]), [300])
  t.throws(() => allocator.allocate([labels(300 - 256)]), { code: 'ENDPOINTS_INVALID' })
})

t.test('reserved identities have the names and numbers of Cilium', async (t) => {
  t.same(
    reservedPeers().map(({ identity, labels }) => `${identity} ${labels.key}`),
    [
      '1 reserved:host;',
      '2 reserved:world;',
      '3 reserved:unmanaged;',
      '4 reserved:health;',
      '5 reserved:init;',
      '6 reserved:remote-node;',
      '7 reserved:kube-apiserver;reserved:remote-node;',
      '8 reserved:ingress;',
    ],
  )
  t.equal(reservedName(asIdentity(9)), 'world-ipv4')
  t.equal(reservedName(asIdentity(256)), undefined)
})
