import { pino } from 'pino'
import t from 'tap'
import { SourceFollower } from '../../../src/agent/source-follower.ts'
import type { DesiredChange } from '../../../src/agent/reconciler.ts'
import type { PolicyRepository } from '../../../src/policy/repository.ts'
import type { ParsedPolicy } from '../../../src/policy/rule-model.ts'

const policy = (key: string): ParsedPolicy => ({ key }) as ParsedPolicy

/** Holds policies as the repository does; `fail` makes the next changes fail after they were admitted, or before. */
class FakeReconciler {
  readonly held = new Map<string, ParsedPolicy>()
  readonly changes: { set: string[]; removed: string[] }[] = []
  fail: 'before' | 'after' | undefined
  readonly repository = { policies: () => [...this.held.values()] } as unknown as PolicyRepository

  async apply({ setPolicies = [], removePolicies = [] }: DesiredChange): Promise<void> {
    this.changes.push({ set: setPolicies.map(({ key }) => key), removed: [...removePolicies] })
    await Promise.resolve()
    if (this.fail === 'before') throw new Error('refused')
    for (const key of removePolicies) this.held.delete(key)
    for (const item of setPolicies) this.held.set(item.key, item)
    if (this.fail === 'after') throw new Error('half done')
  }
}

function setUp(): {
  reconciler: FakeReconciler
  follower: SourceFollower
  wanted: Map<string, ParsedPolicy>
  nextApplied: () => Promise<void>
} {
  const reconciler = new FakeReconciler()
  const wanted = new Map<string, ParsedPolicy>()
  const waiting: (() => void)[] = []
  const follower = new SourceFollower({
    reconciler,
    endpoints: () => [],
    policies: () => [...wanted.values()],
    onApplied: () => waiting.splice(0).forEach((resolve) => resolve()),
    log: pino({ level: 'silent' }),
    retryMs: 1,
  })
  const nextApplied = (): Promise<void> => new Promise((resolve) => waiting.push(resolve))
  return { reconciler, follower, wanted, nextApplied }
}

t.test('a change that comes while another is under way is made against what that one left', async (t) => {
  const { reconciler, follower, wanted } = setUp()
  wanted.set('a', policy('a')).set('b', policy('b'))
  const first = follower.follow()
  wanted.delete('a')
  wanted.set('c', policy('c'))
  await Promise.all([first, follower.follow()])
  t.strictSame([...reconciler.held.keys()].sort(), ['b', 'c'])
  t.strictSame(reconciler.changes.at(-1), { set: ['c'], removed: ['a'] })
})

t.test('what is in force already is not set again', async (t) => {
  const { reconciler, follower, wanted } = setUp()
  wanted.set('a', policy('a'))
  await follower.follow()
  await follower.follow()
  t.strictSame(reconciler.changes.at(-1), { set: [], removed: [] })
  t.equal(follower.failure, undefined)
})

for (const fail of ['before', 'after'] as const) {
  t.test(`a change that fails ${fail} it was admitted is tried again by itself`, async (t) => {
    const { reconciler, follower, wanted, nextApplied } = setUp()
    t.teardown(() => follower.close())
    wanted.set('a', policy('a'))
    await follower.follow()
    reconciler.fail = fail
    wanted.delete('a')
    wanted.set('b', policy('b'))
    await follower.follow()
    t.match(follower.failure, /could not be applied/)
    reconciler.fail = undefined
    await nextApplied()
    t.strictSame([...reconciler.held.keys()], ['b'])
    t.equal(follower.failure, undefined)
  })
}

t.test('nothing is tried after close', async (t) => {
  const { reconciler, follower, wanted } = setUp()
  reconciler.fail = 'before'
  wanted.set('a', policy('a'))
  await follower.follow()
  follower.close()
  const tries = reconciler.changes.length
  await follower.follow()
  t.equal(reconciler.changes.length, tries)
})
