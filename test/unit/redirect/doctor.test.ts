// What `weir doctor` makes of machines that lack something.
import t from 'tap'
import { diagnose } from '../../../src/redirect/doctor/diagnose.ts'
import { BPF_FEATURES, type Machine } from '../../../src/redirect/doctor/machine.ts'

const FIT: Machine = {
  kernel: '6.18.44-generic',
  uid: 0,
  capabilities: 0x1ff_ffff_ffffn,
  bpfFeatures: Object.fromEntries(Object.keys(BPF_FEATURES).map((name) => [name, true])),
  hasBpffs: true,
  canWriteSysctls: true,
  iproute2: 'ip utility, iproute2-6.1.0',
  nft: 'nftables v1.0.6',
  sysctls: { 'net/ipv4/ip_forward': '1', 'net/ipv4/conf/all/rp_filter': '1' },
  rules: [
    { family: 4, priority: 0, table: 'local' },
    { family: 4, priority: 32766, table: 'main' },
  ],
  routes: [],
  isRunning: false,
  ruleset: 'table ip nat {\n chain KUBE-MARK-MASQ {\n  meta mark set mark or 0x4000\n }\n}',
  legacyRules: '-A PREROUTING -j MARK --set-xmark 0x4000/0x4000',
}

const MARKING = 'table ip mangle {\n chain PREROUTING {\n  tcp dport 80 meta mark set 0x200\n }\n}'

/** What differs from `FIT`, what is found, how bad it is, and a word of the mend. */
const CASES: readonly (readonly [Partial<Machine>, string, 'warning' | 'blocking', RegExp])[] = [
  [{ kernel: '5.4.0-42' }, 'kernel', 'blocking', /5\.14/],
  [{ kernel: '5.10.1' }, 'kernel', 'warning', /5\.14/],
  [{ uid: 1000 }, 'root', 'blocking', /sudo/],
  [{ capabilities: 1n << 21n }, 'capabilities', 'blocking', /give/],
  [{ capabilities: 1n << 12n }, 'capabilities', 'blocking', /give/],
  [{ capabilities: (1n << 12n) | (1n << 39n) }, 'capabilities', 'warning', /give/],
  [{ bpfFeatures: undefined }, 'libbpf', 'blocking', /apt-get/],
  [{ bpfFeatures: { ...FIT.bpfFeatures, 'ring buffer': false } }, 'BPF features', 'blocking', /kernel/],
  [{ hasBpffs: false }, 'bpffs', 'warning', /mount/],
  [{ hasBpffs: false, capabilities: (1n << 12n) | (7n << 38n) }, 'bpffs', 'blocking', /mount/],
  [{ canWriteSysctls: false }, '/proc/sys/net', 'blocking', /systempaths=unconfined/],
  [{ iproute2: undefined }, 'iproute2', 'blocking', /apt-get/],
  [{ nft: undefined }, 'nft', 'warning', /apt-get/],
  [{ sysctls: { 'net/ipv4/ip_forward': '0' } }, 'net.ipv4.ip_forward', 'warning', /sysctl -w .*=1/],
  [{ sysctls: { 'net/ipv4/fwmark_reflect': '1' } }, 'net.ipv4.fwmark_reflect', 'warning', /=0/],
  [{ rules: [{ family: 6, priority: 71, table: '100' }] }, 'rules and routes', 'blocking', /cleanup/],
  [{ routes: [{ family: 4, route: 'local default dev lo' }] }, 'rules and routes', 'blocking', /cleanup/],
  [
    { rules: [{ family: 4, priority: 9, fwmark: '0x200', fwmask: '0xf00' }] },
    'marks',
    'warning',
    /other bits/,
  ],
  [{ ruleset: MARKING }, 'marks', 'warning', /other bits/],
  [{ ruleset: 'table ip a {\n meta mark set 0x1\n}' }, 'marks', 'warning', /mask/],
  [{ ruleset: 'table ip a {\n meta mark set meta mark & 0xffff0fff | 0x1\n}' }, 'marks', 'warning', /mask/],
  [{ legacyRules: '-A PREROUTING -j MARK --set-xmark 0x1/0xffffffff' }, 'marks', 'warning', /mask/],
]

t.test('a machine that is fit', (t) => {
  t.strictSame(
    diagnose(FIT).filter(({ state }) => state !== 'ok'),
    [],
  )
  t.end()
})

for (const [difference, check, state, mend] of CASES) {
  t.test(`${check}: ${Object.keys(difference).join()}`, (t) => {
    const bad = diagnose({ ...FIT, ...difference }).filter((finding) => finding.state !== 'ok')
    t.match(bad, [{ check, state, mend }], 'this and nothing else')
    t.equal(bad.length, 1)
    t.end()
  })
}

const RUNNING: Machine = {
  ...FIT,
  rules: ([4, 6] as const).flatMap((family) =>
    [70, 71, 72].map((priority) => ({ family, priority, fwmark: '0x200', fwmask: '0xf00' })),
  ),
  routes: ([4, 6] as const).map((family) => ({ family, route: 'local default dev lo scope host' })),
  isRunning: true,
  ruleset: 'table inet weir {\n meta mark set 0x200\n}',
}

t.test('rules and routes of Weir itself are no conflict while it runs', (t) => {
  t.ok(diagnose(RUNNING).every(({ state }) => state === 'ok'))
  t.end()
})

for (const [difference, check, detail] of [
  [{ rules: RUNNING.rules.slice(1) }, 'rules and routes', /^IPv4 rule 70 is missing$/],
  [{ rules: [...RUNNING.rules, RUNNING.rules[4]!] }, 'rules and routes', /^IPv6 rule 71 is taken twice$/],
  [{ routes: RUNNING.routes.slice(0, 1) }, 'rules and routes', /^IPv6 table 30565 is empty$/],
  [{ sysctls: { 'net/ipv4/tcp_early_demux': '1' } }, 'net.ipv4.tcp_early_demux', /lost/],
  [{ sysctls: { 'net/ipv4/conf/weir0/rp_filter': '1' } }, 'net.ipv4.conf.weir0.rp_filter', /dropped/],
  [{ sysctls: { 'net/ipv4/conf/weir0/accept_local': '0' } }, 'net.ipv4.conf.weir0.accept_local', /heard/],
] as const) {
  t.test(`while it runs, ${check}: ${String(detail)}`, (t) => {
    const bad = diagnose({ ...RUNNING, ...difference }).filter(({ state }) => state !== 'ok')
    t.match(bad, [{ check, detail, mend: /./ }])
    t.equal(bad.length, 1)
    t.end()
  })
}
