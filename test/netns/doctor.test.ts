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
import { MAIN } from '../helpers/weir-process.ts'

const SHORT_MS = 200

if (canRunPrivileged(t)) {
  t.test('doctor', async (t) => {
    const node = NodeNamespace.forTest(t)
    const doctor = async (): Promise<{ code: number | undefined; findings: Finding[]; stderr: string }> => {
      const command = [process.execPath, MAIN, 'doctor', '-o', 'json']
      const { code, stdout, stderr } = await node.exec(command, { check: false })
      return { code, stderr, ...(JSON.parse(stdout.toString()) as { findings: Finding[] }) }
    }
    const fit = await doctor()
    t.equal(fit.code, 0, 'a namespace of the tests is fit')
    t.notOk(fit.findings.some(({ state }) => state === 'blocking'))

    node.ip('rule add pref 71 lookup 100')
    const unfit = await doctor()
    t.equal(unfit.code, 1)
    t.match(
      unfit.findings.find(({ state }) => state === 'blocking'),
      { check: 'rules and routes', detail: /IPv4 rule 71/, mend: /move/ },
    )
    t.match(unfit.stderr, /MACHINE_UNFIT/)
    node.ip('rule del pref 71', 'rule add pref 8 fwmark 0x200/0xf00 lookup 100')
    const marked = await doctor()
    t.equal(marked.code, 0, 'a conflict of marks is a warning')
    t.match(
      marked.findings.find(({ check }) => check === 'marks'),
      { state: 'warning', detail: /rule 8/ },
    )
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
