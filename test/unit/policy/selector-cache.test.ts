import fc from 'fast-check'
import t from 'tap'
import { asIdentity, type Identity } from '../../../src/lib/brands.ts'
import { endpointLabels, type LabelSet } from '../../../src/policy/labels.ts'
import { SelectorCache, type SelectionChange, type SelectorUser } from '../../../src/policy/selector-cache.ts'
import {
  makeSelector,
  requireKey,
  requireLabel,
  selects,
  type Selector,
} from '../../../src/policy/selector.ts'

class Recorder implements SelectorUser {
  readonly calls: { changes: readonly SelectionChange[]; revision: number }[] = []
  selectionsChanged(changes: readonly SelectionChange[], revision: number): void {
    this.calls.push({ changes, revision })
  }
}

const NS = 'io.kubernetes.pod.namespace'
const app = (value: string): Selector => makeSelector([requireLabel('k8s', 'app', value)])
const scoped = (value: string, ns: string): Selector =>
  makeSelector([requireLabel('k8s', 'app', value), requireLabel('k8s', NS, ns)])
const identity = (number: number, value: string, ns = 'n') => ({
  identity: asIdentity(number),
  labels: endpointLabels(ns, { app: value }),
})

t.test('a selector is kept once, for as long as it has users', async (t) => {
  const cache = new SelectorCache()
  const [one, two] = [new Recorder(), new Recorder()]
  const cached = cache.add(app('a'), one)
  t.equal(cache.add(app('a'), two), cached)
  t.equal(cache.size, 1)
  cache.remove(cached, one)
  t.equal(cache.size, 1)
  cache.remove(cached, two)
  t.equal(cache.size, 0)
})

t.test('all selections of a change are in place when users are told, once each', async (t) => {
  const cache = new SelectorCache()
  let seen: unknown
  const user: SelectorUser = {
    selectionsChanged: (changes, revision) => {
      seen = [revision, changes.length, a.selection, everything.selection]
    },
  }
  const a = cache.add(app('a'), user)
  const everything = cache.add(makeSelector([]), user)
  const before = a.selection
  cache.updateIdentities([identity(300, 'a'), identity(299, 'a'), identity(301, 'b')], [])
  t.same(seen, [1, 2, [299, 300], [299, 300, 301]])
  t.same(before, [], 'the old selection is left alone')
})

t.test('selectors that did not change keep their selection, and their users are not told', async (t) => {
  const cache = new SelectorCache()
  const user = new Recorder()
  const cached = cache.add(scoped('a', 'n'), user)
  cache.updateIdentities([identity(300, 'a')], [])
  const { selection } = cached
  t.same(cache.updateIdentities([identity(301, 'b'), identity(302, 'a', 'm')], []), [])
  t.equal(cached.selection, selection)
  t.equal(user.calls.length, 1)
  t.equal(cache.revision, 1)
})

t.test('adding again and removing the unknown have no effect; contradictions throw', async (t) => {
  const cache = new SelectorCache()
  cache.add(makeSelector([]), new Recorder())
  cache.updateIdentities([identity(300, 'a')], [])
  t.same(cache.updateIdentities([identity(300, 'a')], [asIdentity(999)]), [])
  t.throws(() => cache.updateIdentities([identity(300, 'b')], []), { message: /cannot get/ })
  t.throws(() => cache.updateIdentities([identity(301, 'b')], [asIdentity(301)]), { message: /both/ })
})

const selectors: readonly Selector[] = [
  makeSelector([]),
  app('a'),
  scoped('a', 'n'),
  scoped('b', 'm'),
  makeSelector([requireKey('k8s', NS)]),
  makeSelector([{ source: 'any', key: 'app', operator: 'NotIn', values: ['a'] }]),
  makeSelector([{ source: 'k8s', key: NS, operator: 'In', values: ['n', 'm'] }]),
  makeSelector([{ source: 'k8s', key: 'app', operator: 'DoesNotExist', values: [] }]),
]

t.test('selections equal a fresh evaluation after any history', async () => {
  const labelsOf = (number: number): LabelSet => {
    // Numbers stand for labels: an identity never changes its own.
    const values = ['a', 'b', undefined][number % 3]
    return endpointLabels(
      ['n', 'm', 'o'][Math.floor(number / 3) % 3] ?? 'n',
      values === undefined ? {} : { app: values },
    )
  }
  const number = fc.integer({ min: 256, max: 280 })
  const batch = fc
    .tuple(fc.uniqueArray(number, { maxLength: 6 }), fc.uniqueArray(number, { maxLength: 6 }))
    .map(([added, removed]) => [added, removed.filter((one) => !added.includes(one))] as const)
  fc.assert(
    fc.property(fc.array(batch, { maxLength: 8 }), fc.nat(selectors.length - 1), (batches, late) => {
      const cache = new SelectorCache()
      const user = new Recorder()
      const cached = selectors.filter((_, i) => i !== late).map((one) => cache.add(one, user))
      const known = new Map<Identity, LabelSet>()
      for (const [added, removed] of batches) {
        for (const one of removed) known.delete(asIdentity(one))
        for (const one of added) known.set(asIdentity(one), labelsOf(one))
        const told = user.calls.length
        const changes = cache.updateIdentities(
          added.map((one) => ({ identity: asIdentity(one), labels: labelsOf(one) })),
          removed.map(asIdentity),
        )
        if (user.calls.length - told !== Math.min(1, changes.length)) throw new Error('told too often')
      }
      for (const { selector, selection } of [...cached, cache.add(selectors[late]!, user)]) {
        const expected = [...known.keys()]
          .filter((one) => selects(selector, known.get(one)!))
          .sort((a, b) => a - b)
        if (selection.join() !== expected.join())
          throw new Error(`${selector.key}: ${selection.join()} not ${expected.join()}`)
      }
    }),
  )
})
