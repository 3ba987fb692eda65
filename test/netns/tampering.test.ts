// What Weir has set up is taken away by others, as network managers and firewalls do: put back at once, and closed until
// then where it can be.
import t, { type Test } from 'tap'
import type { KernelChanges } from '../../src/redirect/kernel-changes.ts'
import { KernelWatch } from '../../src/redirect/kernel-watch.ts'
import { startCluster } from '../helpers/cluster.ts'
import { curl } from '../helpers/curl.ts'
import { startHttpServer } from '../helpers/http-server.ts'
import { fromEntity, fromPods, networkPolicy, onHttp } from '../helpers/network-policy.ts'
import { addressesOf, urlOf } from '../helpers/node-namespace.ts'
import { canRunPrivileged } from '../helpers/privileges.ts'
import { waitFor } from '../helpers/wait.ts'
import { withConstant } from '../helpers/with-constant.ts'

const SHORT_MS = 300
const FAMILIES = ['-4', '-6'] as const
/** The look that comes every few seconds does not come: what is put back is put back because the kernel told. */
const WITHOUT_LOOKS = withConstant({ module: 'agent/upkeep', name: 'THOROUGH_INTERVAL_MS', value: 3_600_000 })

if (canRunPrivileged(t)) {
  t.test('tampering', async (t) => {
    const { node, pods, weir } = await startCluster(t, {
      pods: ['client', 'server'],
      policies: {
        'server.yaml': networkPolicy('server', {
          ingress: [fromPods('client'), fromEntity('host')].map((peer) => ({
            ...peer,
            ...onHttp(80, { path: '/ok' }),
          })),
        }),
      },
      args: () => ['--workers', '1'],
      executable: WITHOUT_LOOKS,
    })
    const { client, server } = pods
    const site = await startHttpServer(server)
    t.teardown(() => site.close())
    const run = (line: string): string => node.execSync(line.split(' '))
    const reports = (): string[] =>
      weir.log
        .filter(({ msg }) => msg === 'put back what somebody took away')
        .flatMap(({ missing }) => missing as string[])
    const putBack = async (t: Test, act: () => unknown, expected: readonly string[]): Promise<void> => {
      const before = reports().length
      await act()
      const since = (): string[] => [...new Set(reports().slice(before))].sort()
      await waitFor(() => expected.every((what) => since().includes(what)), {
        what: `${expected.join(' and ')} to be put back`,
      })
      t.strictSame(since(), [...expected].sort(), 'and it says so')
    }
    const enforced = async (t: Test): Promise<void> => {
      for (const from of [client, node]) {
        for (const host of addressesOf(server)) {
          t.equal((await curl(from, urlOf(host, '/ok'))).status, 200, `${from.name} to ${host}`)
          t.equal((await curl(from, urlOf(host, '/no'))).status, 403)
        }
      }
      t.notOk(site.requests.some(({ path }) => path === '/no'))
    }

    await t.test('steering', async (t) => {
      const takeAway = async (): Promise<void> => {
        // No notification tells of this one: it is seen with the rest.
        node.sysctl({ 'net.ipv4.tcp_early_demux': 1 })
        for (const family of FAMILIES)
          for (const pref of [70, 71, 72]) run(`ip ${family} rule del pref ${pref}`)
        run('ip link delete weir0')
        run('nft flush ruleset')
        for (const host of addressesOf(server)) {
          const meanwhile = await curl(client, urlOf(host, '/no'), { connectTimeoutMs: SHORT_MS })
          t.ok([0, 403].includes(meanwhile.status), `closed, or mended already, ${host}`)
        }
      }
      await putBack(t, takeAway, [
        'device weir0',
        'netfilter rules',
        'rules and routes of IPv4',
        'rules and routes of IPv6',
        'tcp_early_demux = 0',
      ])
      t.equal(run('cat /proc/sys/net/ipv4/tcp_early_demux').trim(), '0')
      await putBack(t, () => run('ip -4 route flush table 30565'), ['rules and routes of IPv4'])
      await putBack(t, () => run('ip -6 route flush table 30565'), ['rules and routes of IPv6'])
      await putBack(t, () => run('ip link set weir0 down'), ['device weir0, which was down'])
      await putBack(t, () => run('tc qdisc del dev weir0 clsact'), ['program of weir0'])
      await enforced(t)
    })

    await t.test('programs', async (t) => {
      for (const [name, line] of [
        ['server', `tc qdisc del dev ${server.device} clsact`],
        ['server', `tc filter del dev ${server.device} egress`],
        ['client', `tc filter del dev ${client.device} ingress prio 1`],
      ] as const) {
        await putBack(t, () => run(line), [`programs of default/${name}`])
        await enforced(t)
      }
    })

    await t.test('what was put back calls for nothing more', async (t) => {
      const seen: KernelChanges[] = []
      const watch = node.enter(() => new KernelWatch((changes) => seen.push(changes)))
      t.teardown(() => watch.close())
      const lines = weir.log.length
      run(`tc qdisc del dev ${server.device} clsact`)
      await waitFor(() => weir.log.length > lines, { what: 'programs to be put back' })
      run('nft delete table inet weir')
      await waitFor(() => reports().at(-1) === 'netfilter rules', { what: 'rules to be put back' })
      // Each takes its time, so that whatever goes round in a circle shows itself.
      let settled = 0
      for (let i = 0; i < 20; i++) {
        const before = seen.filter(({ hasAddresses }) => hasAddresses).length
        node.ip(`address add 10.98.0.${i + 1}/32 dev lo`)
        await waitFor(() => seen.filter(({ hasAddresses }) => hasAddresses).length > before, {
          what: 'a marker',
        })
        if (i === 9) settled = takenAway(seen)
      }
      t.equal(takenAway(seen), settled)
      t.equal(seen.filter(({ unfiltered }) => unfiltered.size > 0).length, 1, 'the removal itself, alone')
    })
  })
}

function takenAway(changes: readonly KernelChanges[]): number {
  return changes.filter(({ unfiltered, hasSteering }) => unfiltered.size > 0 || hasSteering).length
}
