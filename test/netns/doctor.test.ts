// `weir doctor` on a real network namespace, and `weir monitor` of a running instance.
import { createInterface } from 'node:readline'
import t from 'tap'
import { type Finding } from '../../src/lib/finding.ts'
import { type Flow } from '../../src/lib/flow.ts'
import { startCluster } from '../helpers/cluster.ts'
import { fromPods, networkPolicy, onTcp } from '../helpers/network-policy.ts'
import { NodeNamespace } from '../helpers/node-namespace.ts'
import { canRunPrivileged } from '../helpers/privileges.ts'
import { tryDial } from '../helpers/tcp.ts'
import { waitFor } from '../helpers/wait.ts'
import { MAIN, WeirProcess } from '../helpers/weir-process.ts'

const SHORT_MS = 200
const LIBBPF = 'libbpf.so.1'

/** What runs after it sees other files: it has mounts of its own. */
const withMount = (...commands: readonly string[]): string[] => [
  ...['unshare', '--mount', 'sh', '-ec', [...commands, 'exec "$@"'].join('\n'), 'sh'],
]
const without = (capability: string): string[] => [
  ...['setpriv', `--bounding-set=-${capability}`, `--inh-caps=-${capability}`],
]

/** Every finding of the issue of a machine, whatever its state. */
const CHECKED = [
  ...['kernel', 'root', 'capabilities', 'libbpf', 'BPF features', 'bpffs', 'iproute2', 'nft'],
  ...['/proc/sys/net', 'rules and routes', 'marks'],
  ...['rp_filter', 'src_valid_mark', 'accept_local'].map((name) => `net.ipv4.conf.all.${name}`),
  'net.ipv4.tcp_fwmark_accept',
]

/** What the doctor sees of this machine when it is started like this. */
const OTHER_MACHINES: readonly (readonly [string, string[], string, Finding['state'], RegExp])[] = [
  ['an old kernel', ['setarch', '--uname-2.6'], 'kernel', 'blocking', /use Linux 5\.14/],
  ['a plain user', ['setpriv', '--reuid=65534', '--clear-groups'], 'root', 'blocking', /sudo/],
  ['a container without NET_ADMIN', without('net_admin'), 'capabilities', 'blocking', /give them/],
  [
    'a container without BPF',
    ['setpriv', '--bounding-set=-bpf,-sys_admin', '--inh-caps=-bpf,-sys_admin'],
    'capabilities',
    'blocking',
    /give them/,
  ],
  [
    'a container without PERFMON',
    ['setpriv', '--bounding-set=-perfmon,-sys_admin', '--inh-caps=-perfmon,-sys_admin'],
    'capabilities',
    'warning',
    /give it/,
  ],
  [
    'a machine without libbpf',
    withMount(
      `for file in $(ldconfig -p | sed -n 's/.*${LIBBPF}.* => //p'); do mount --bind /dev/null $file; done`,
    ),
    'libbpf',
    'blocking',
    /apt-get install libbpf1/,
  ],
  [
    'a machine without bpffs',
    withMount('mount -t tmpfs tmpfs /sys/fs/bpf'),
    'bpffs',
    'warning',
    /mount -t bpf bpf \/sys\/fs\/bpf/,
  ],
  [
    'a container without bpffs',
    [...withMount('mount -t tmpfs tmpfs /sys/fs/bpf'), ...without('sys_admin')],
    'bpffs',
    'blocking',
    /mount the host's/,
  ],
  [
    'a container with settings to read only',
    withMount('mount --bind /proc/sys /proc/sys', 'mount -o remount,bind,ro /proc/sys'),
    '/proc/sys/net',
    'blocking',
    /systempaths=unconfined/,
  ],
  [
    'a machine without iproute2',
    ['env', 'PATH=/nowhere'],
    'iproute2',
    'blocking',
    /apt-get install iproute2/,
  ],
  ['a machine without nft', ['env', 'PATH=/nowhere'], 'nft', 'warning', /apt-get install nftables/],
]

const SETTINGS: readonly (readonly [string, number, Finding['state'], RegExp])[] = [
  ['net.ipv4.conf.all.rp_filter', 1, 'ok', /weir0 has its own/],
  ['net.ipv4.conf.all.src_valid_mark', 1, 'ok', /rule 70/],
  ['net.ipv4.conf.all.accept_local', 1, 'ok', /1/],
  ['net.ipv4.tcp_fwmark_accept', 1, 'ok', /rule 70/],
  ['net.ipv4.fwmark_reflect', 1, 'warning', /resets/],
  ['net.ipv6.fwmark_reflect', 1, 'warning', /resets/],
  ['net.ipv4.ip_forward', 0, 'warning', /reach/],
  ['net.ipv6.conf.all.forwarding', 0, 'warning', /IPv6/],
]

const LEGACY_MARK = ['PREROUTING', '-t', 'mangle', '-p', 'tcp', '-j', 'MARK', '--set-mark', '1']
const CONFLICTS: readonly (readonly [string, string[], string[], string, Finding['state'], RegExp])[] = [
  [
    'a rule of routing where ours go',
    ['ip', 'rule', 'add', 'pref', '71', 'lookup', '100'],
    ['ip', 'rule', 'del', 'pref', '71'],
    'rules and routes',
    'blocking',
    /IPv4 rule 71 is taken/,
  ],
  [
    'a route in our table',
    ['ip', '-6', 'route', 'add', 'local', 'default', 'dev', 'lo', 'table', '30565'],
    ['ip', '-6', 'route', 'flush', 'table', '30565'],
    'rules and routes',
    'blocking',
    /table 30565 holds "local default/,
  ],
  [
    'a rule of routing that looks at our mark',
    ['ip', 'rule', 'add', 'pref', '8', 'fwmark', '0x200/0xf00', 'lookup', '100'],
    ['ip', 'rule', 'del', 'pref', '8'],
    'marks',
    'warning',
    /IPv4 rule 8 looks at mark 0x200\/0xf00/,
  ],
  [
    'a rule of nftables that writes our mark',
    [
      ...['nft', 'table inet other { chain c { type filter hook prerouting priority 0; '],
      'meta mark set 0x200 ; } ; }',
    ],
    ['nft', 'delete table inet other'],
    'marks',
    'warning',
    /table inet other write/,
  ],
  [
    'a rule of iptables that writes the whole mark',
    ['iptables', '-A', ...LEGACY_MARK],
    ['iptables', '-D', ...LEGACY_MARK],
    'marks',
    'warning',
    /table ip mangle write/,
  ],
  [
    'the same of iptables-legacy, which nftables does not show',
    ['iptables-legacy', '-A', ...LEGACY_MARK],
    ['iptables-legacy', '-D', ...LEGACY_MARK],
    'marks',
    'warning',
    /rules of iptables-legacy write/,
  ],
]

interface Diagnosis {
  readonly code: number | undefined
  readonly findings: readonly Finding[]
  readonly stderr: string
}

async function diagnose(node: NodeNamespace, wrapper: readonly string[] = []): Promise<Diagnosis> {
  const command = [...wrapper, process.execPath, MAIN, 'doctor', '-o', 'json']
  const { code, stdout, stderr } = await node.exec(command, { check: false })
  return { code, stderr, ...(JSON.parse(stdout.toString()) as { findings: Finding[] }) }
}

if (canRunPrivileged(t)) {
  t.test('doctor', async (t) => {
    const node = NodeNamespace.forTest(t)
    const doctor = (wrapper: readonly string[] = []): Promise<Diagnosis> => diagnose(node, wrapper)

    t.test('a namespace of the tests is fit', async (t) => {
      const { code, findings } = await doctor()
      t.equal(code, 0)
      t.notOk(findings.some(({ state }) => state === 'blocking'))
      for (const check of CHECKED)
        t.ok(
          findings.find((finding) => finding.check === check),
          check,
        )
    })

    for (const [what, wrapper, check, state, mend] of OTHER_MACHINES) {
      t.test(`seen from ${what}`, async (t) => {
        const { code, findings, stderr } = await doctor(wrapper)
        t.match(
          findings.find((finding) => finding.check === check),
          { state, mend },
          JSON.stringify(findings.filter((finding) => finding.state !== 'ok')),
        )
        if (state !== 'blocking') return
        t.equal(code, 1)
        t.match(stderr, new RegExp(`MACHINE_UNFIT: .*${check}`))
      })
    }

    for (const [setting, value, state, words] of SETTINGS) {
      t.test(`${setting} = ${value}`, async (t) => {
        const before = readSetting(node, setting)
        node.sysctl({ [setting]: value })
        const { code, findings } = await doctor()
        node.sysctl({ [setting]: before })
        t.equal(code, 0)
        t.match(
          findings.find(({ check }) => check === setting),
          { state, detail: words, mend: state === 'ok' ? '' : /^sysctl -w / },
        )
      })
    }

    for (const [what, add, remove, check, state, detail] of CONFLICTS) {
      t.test(what, async (t) => {
        node.execSync(add)
        const { code, findings } = await doctor()
        node.execSync(remove)
        t.equal(code, state === 'blocking' ? 1 : 0)
        t.match(
          findings.find((finding) => finding.check === check),
          { state, detail, mend: /./ },
        )
      })
    }

    t.test('and without any of it, fit again', async (t) => {
      t.equal((await doctor()).code, 0)
    })
  })

  t.test('doctor, while Weir runs', async (t) => {
    const { node, weir } = await startCluster(t, { pods: ['client'], policies: {} })
    const bad = async (): Promise<Finding[]> => {
      const { code, findings } = await diagnose(node)
      const found = findings.filter(({ state }) => state !== 'ok')
      t.equal(code, found.some(({ state }) => state === 'blocking') ? 1 : 0)
      return found
    }
    t.strictSame(await bad(), [], 'its own rules, routes, marks and settings are no conflict')
    // The agent would put back what is taken away here before doctor sees it.
    weir.process.kill('SIGSTOP')
    t.teardown(() => weir.process.kill('SIGCONT'))
    for (const [setting, value, state] of [
      ['net.ipv4.conf.weir0.rp_filter', 1, 'blocking'],
      ['net.ipv4.conf.weir0.accept_local', 0, 'blocking'],
      ['net.ipv4.tcp_early_demux', 1, 'warning'],
    ] as const) {
      const before = readSetting(node, setting)
      node.sysctl({ [setting]: value })
      t.match(await bad(), [{ check: setting, state, mend: `sysctl -w ${setting}=${before}` }])
      node.sysctl({ [setting]: before })
    }
    node.execSync(['ip', '-6', 'rule', 'del', 'pref', '71'])
    t.match(await bad(), [
      { check: 'rules and routes', state: 'blocking', detail: 'IPv6 rule 71 is missing' },
    ])
    weir.process.kill('SIGCONT')
    t.equal(await weir.stop(), 0)
    await WeirProcess.start(node, {})
    t.strictSame(await bad(), [], 'the mend that it names helps')
  })

  t.test('monitor', async (t) => {
    const { node, pods, weir } = await startCluster(t, {
      pods: ['client', 'server'],
      policies: {
        'server.yaml': networkPolicy('server', { ingress: [{ ...fromPods('client'), ...onTcp(1) }] }),
      },
    })
    const { client, server } = pods
    t.equal(await tryDial(client, { host: server.v4, port: 81 }, SHORT_MS), 'timeout')
    const past = async (): Promise<string> => (await weir.cli(['monitor', '--drops'])).stdout.toString()
    await waitFor(async () => (await past()).includes(':81'), { what: 'the drop' })
    t.match(await past(), /packet DROPPED \(TCP dropped: POLICY_DENIED\).* by=kernel/)

    const follow = node.spawn(
      [
        process.execPath,
        MAIN,
        'monitor',
        '--drops',
        '-f',
        '-o',
        'json',
        '--last',
        '1',
        '--state-dir',
        node.stateDir,
      ],
      { stdio: ['ignore', 'pipe', 'inherit'] },
    )
    const flows: Flow[] = []
    createInterface({ input: follow.stdout! }).on('line', (line) => flows.push(JSON.parse(line) as Flow))
    await waitFor(() => flows.length > 0, { what: 'the one of the past' })
    t.equal(await tryDial(client, { host: server.v6, port: 82 }, SHORT_MS), 'timeout')
    const isNew = ({ l4 }: Flow): boolean => l4.TCP?.destination_port === 82
    await waitFor(() => flows.some(isNew), { what: 'a new one' })
    t.match(flows.find(isNew), {
      verdict: 'DROPPED',
      drop_reason_desc: 'POLICY_DENIED',
      weir: { where: 'kernel' },
    })
    t.ok(flows.every(({ weir }) => weir.where === 'kernel'))
    follow.kill('SIGTERM')
  })
}

/** `net.ipv4.ip_forward` and the like. */
function readSetting(node: NodeNamespace, setting: string): string {
  return node.execSync(['cat', `/proc/sys/${setting.replaceAll('.', '/')}`]).trim()
}
