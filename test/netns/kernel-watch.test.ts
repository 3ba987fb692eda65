// The agent hears from the kernel, at once, of new devices and of what is taken away; and of nothing else.
import t from 'tap'
import type { KernelChanges } from '../../src/redirect/kernel-changes.ts'
import { KernelWatch } from '../../src/redirect/kernel-watch.ts'
import { interfaceIndex } from '../../src/redirect/tc.ts'
import { NodeNamespace } from '../helpers/node-namespace.ts'
import { canRunPrivileged } from '../helpers/privileges.ts'
import { waitFor } from '../helpers/wait.ts'

const TABLE = 'table inet weir { }\n'
const FAMILIES = ['-4', '-6'] as const

/** Of somebody else: everything passes. */
function addFilters(node: NodeNamespace, verb: 'add' | 'replace', ...directions: readonly string[]): void {
  node.execSync(['tc', 'qdisc', 'replace', 'dev', 'weir-a', 'clsact'])
  for (const direction of directions) {
    const where = ['dev', 'weir-a', direction, 'prio', '1', 'protocol', 'all', 'handle', '1']
    const what = ['bpf', 'direct-action', 'bytecode', '1,6 0 0 4294967295']
    node.execSync(['tc', 'filter', verb, ...where, ...what])
  }
}

function addRouting(node: NodeNamespace, family: string): void {
  node.execSync(['ip', family, 'rule', 'add', 'pref', '71', 'nop'])
  node.execSync(['ip', family, 'route', 'add', 'local', 'default', 'dev', 'lo', 'table', '30565'])
}

if (canRunPrivileged(t)) {
  t.test('what happens in the kernel is reported', async (t) => {
    const node = NodeNamespace.forTest(t)
    node.ip('link add weir-a type veth peer name weir-b')
    const index = node.enter(() => interfaceIndex('weir-a'))
    addFilters(node, 'add', 'ingress', 'egress')
    for (const family of FAMILIES) addRouting(node, family)
    node.execSync(['nft', '-f', '-'], TABLE)
    const isChanged = ({ links }: KernelChanges): boolean => links.indexes.has(index)
    const isUnfiltered = ({ unfiltered }: KernelChanges): boolean => unfiltered.has(index)
    const isSteering = ({ hasSteering }: KernelChanges): boolean => hasSteering

    for (const [what, command, fits] of [
      [
        'a new device',
        'ip link add weir-c type veth peer name weir-d',
        ({ links }) => links.names.has('weir-c'),
      ],
      ['a device that changes', 'ip link set weir-a mtu 1400', isChanged],
      ['a new address', 'ip address add 10.99.0.1/32 dev weir-a', ({ hasAddresses }) => hasAddresses],
      ['one filter that goes', 'tc filter del dev weir-a ingress prio 1', isUnfiltered],
      ['all filters of a hook', 'tc filter del dev weir-a egress', isUnfiltered],
      ['clsact that goes', 'tc qdisc del dev weir-a clsact', isUnfiltered],
      ['an IPv4 rule that goes', 'ip -4 rule del pref 71', isSteering],
      ['an IPv6 rule that goes', 'ip -6 rule del pref 71', isSteering],
      ['an IPv4 route that goes', 'ip -4 route flush table 30565', isSteering],
      ['an IPv6 route that goes', 'ip -6 route flush table 30565', isSteering],
      ['a table of netfilter that goes', 'nft flush ruleset', isSteering],
      ['a device that goes', 'ip link delete weir-a', isChanged],
    ] as readonly (readonly [string, string, (changes: KernelChanges) => boolean])[]) {
      const seen: KernelChanges[] = []
      const watch = node.enter(() => new KernelWatch((changes) => seen.push(changes)))
      try {
        node.execSync(command.split(' '))
        await waitFor(() => seen.some(fits), { what })
      } finally {
        watch.close()
      }
      t.notOk(
        seen.some(({ isIncomplete }) => isIncomplete),
        what,
      )
    }
  })

  t.test('what is set up, and what others take away of theirs, is not', async (t) => {
    const node = NodeNamespace.forTest(t)
    node.ip('link add weir-a type veth peer name weir-b')
    const seen: KernelChanges[] = []
    const watch = node.enter(() => new KernelWatch((changes) => seen.push(changes)))
    t.teardown(() => watch.close())
    addFilters(node, 'add', 'ingress')
    addFilters(node, 'replace', 'ingress')
    for (const family of FAMILIES) {
      addRouting(node, family)
      for (const line of [
        'rule add pref 9 nop',
        'rule del pref 9',
        'route replace local default dev lo table 30565',
        ...[77, 777].flatMap((table) => [
          `route add local default dev lo table ${table}`,
          `route flush table ${table}`,
        ]),
      ])
        node.execSync(['ip', family, ...line.split(' ')])
    }
    node.execSync(['nft', '-f', '-'], `${TABLE}table inet other { }\ndelete table inet other\n`)
    // Two that are reported, one on each socket: what came before them has been read then.
    node.execSync(['nft', 'flush', 'ruleset'])
    await waitFor(() => seen.some(({ hasSteering }) => hasSteering), { what: 'the table that went' })
    node.ip('address add 10.99.0.1/32 dev weir-a')
    await waitFor(() => seen.some(({ hasAddresses }) => hasAddresses), { what: 'the address' })
    t.equal(seen.filter(({ hasSteering }) => hasSteering).length, 1)
    t.equal(seen.filter(({ hasAddresses }) => hasAddresses).length, 1)
    t.strictSame(
      seen.flatMap(({ links, unfiltered, isIncomplete }) => [
        ...links.indexes,
        ...unfiltered,
        ...(isIncomplete ? ['lost'] : []),
      ]),
      [],
    )
  })

  t.test('notifications that were lost are reported as that', async (t) => {
    const node = NodeNamespace.forTest(t)
    const seen: KernelChanges[] = []
    const watch = node.enter(() => new KernelWatch((changes) => seen.push(changes)))
    t.teardown(() => watch.close())
    // In this turn of the loop nobody reads.
    node.ip(...Array.from({ length: 2_000 }, (_, i) => `address add 10.99.${i >> 8}.${i & 255}/32 dev lo`))
    watch.deliver()
    t.ok(seen.some(({ isIncomplete }) => isIncomplete))
    node.ip('rule add pref 71 nop', 'rule del pref 71')
    await waitFor(() => seen.some(({ hasSteering }) => hasSteering), { what: 'the next one' })
  })

  t.test('nothing is reported after close', async (t) => {
    const node = NodeNamespace.forTest(t)
    let changes = 0
    const watch = node.enter(() => new KernelWatch(() => changes++))
    watch.close()
    node.ip('link add weir-a type veth peer name weir-b')
    watch.deliver()
    t.equal(changes, 0)
  })
}
