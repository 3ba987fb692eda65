// What is looked at after notifications of the kernel, and how often.
import t from 'tap'
import { Mender } from '../../../src/agent/mending.ts'
import type { Reconciler } from '../../../src/agent/reconciler.ts'
import { createLogger } from '../../../src/lib/log.ts'
import type { KernelChanges } from '../../../src/redirect/kernel-changes.ts'
import { FakeDatapath } from '../../helpers/fake-datapath.ts'
import { waitFor } from '../../helpers/wait.ts'

const NOTHING: KernelChanges = {
  links: { indexes: new Set(), names: new Set() },
  hasAddresses: false,
  unfiltered: new Set(),
  hasSteering: false,
  isIncomplete: false,
}

class Rig {
  maintained = 0
  /** Devices that programs were looked for on; 'all'. */
  readonly looks: (number[] | 'all')[] = []
  readonly mender: Mender

  constructor() {
    const datapath = new FakeDatapath()
    datapath.maintain = () => {
      this.maintained++
      return []
    }
    const restorePrograms: Reconciler['restorePrograms'] = (changed) => {
      this.looks.push(changed === undefined ? 'all' : [...changed.indexes])
      return []
    }
    this.mender = new Mender({
      datapath,
      reconciler: { restorePrograms },
      log: createLogger('test', 'silent'),
      guard: (work) => work(),
    })
  }

  follow(changes: Partial<KernelChanges>): void {
    this.mender.follow({ ...NOTHING, ...changes })
  }
}

t.test('only what may be hurt is looked at', async (t) => {
  for (const [changes, looks, maintained] of [
    [{ hasAddresses: true, links: { indexes: new Set([7]), names: new Set(['eth0']) } }, [], 0],
    [{ unfiltered: new Set([7]) }, [[7]], 0],
    [{ hasSteering: true }, [[]], 1],
    [{ links: { indexes: new Set([0]), names: new Set(['weir0']) } }, [[]], 1],
    [{ unfiltered: new Set([0]) }, [[0]], 1],
    [{ isIncomplete: true }, ['all'], 1],
  ] as const) {
    const rig = new Rig()
    rig.follow(changes)
    t.strictSame(rig.looks, looks)
    t.equal(rig.maintained, maintained)
  }
})

t.test('a thousand in a row: few looks, and none is forgotten', async (t) => {
  const rig = new Rig()
  for (let i = 1; i <= 1_000; i++) rig.follow({ unfiltered: new Set([i]), hasSteering: true })
  await waitFor(() => rig.looks.flat().length >= 1_000, { what: 'all to be looked at' })
  t.equal(rig.looks.flat().length, 1_000, 'each once')
  t.ok(rig.looks.length < 100, `${rig.looks.length} looks`)
  t.equal(rig.maintained, rig.looks.length)
})
