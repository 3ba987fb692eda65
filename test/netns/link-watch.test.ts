// The agent hears of new devices from the kernel, at once.
import t from 'tap'
import { LinkWatch } from '../../src/redirect/link-watch.ts'
import { NodeNamespace } from '../helpers/node-namespace.ts'
import { canRunPrivileged } from '../helpers/privileges.ts'
import { waitFor } from '../helpers/wait.ts'

if (canRunPrivileged(t)) {
  t.test('devices and addresses that come and go are reported', async (t) => {
    const node = NodeNamespace.forTest(t)
    let changes = 0
    const watch = node.enter(() => new LinkWatch(() => changes++))
    t.teardown(() => watch.close())
    for (const [what, line] of [
      ['a new device', 'link add weir-a type veth peer name weir-b'],
      ['a new address', 'address add 10.99.0.1/32 dev weir-a'],
      ['a device that goes', 'link delete weir-a'],
    ] as const) {
      const before = changes
      node.ip(line)
      await waitFor(() => changes > before, { what })
      t.pass(what)
    }
  })

  t.test('nothing is reported after close', async (t) => {
    const node = NodeNamespace.forTest(t)
    let changes = 0
    const watch = node.enter(() => new LinkWatch(() => changes++))
    watch.close()
    node.ip('link add weir-a type veth peer name weir-b')
    t.equal(changes, 0)
  })
}
