// docker/weir.service as it is, under a real systemd: hardened, and what survives what.
import { copyFileSync, mkdirSync, symlinkSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { stringify } from 'yaml'
import { packageRoot } from '../../src/lib/paths.ts'
import { addPod } from '../helpers/cluster.ts'
import { curl } from '../helpers/curl.ts'
import { startHttpServer } from '../helpers/http-server.ts'
import { fromPods, networkPolicy, onHttp } from '../helpers/network-policy.ts'
import { addressesOf, NodeNamespace, type Pod, urlOf } from '../helpers/node-namespace.ts'
import { install, packBuilt } from '../helpers/packed.ts'
import { canRunPrivileged } from '../helpers/privileges.ts'
import { runCommand } from '../helpers/command.ts'
import { SystemdMachine } from '../helpers/systemd-machine.ts'
import { waitFor } from '../helpers/wait.ts'
import { endpointOf } from '../helpers/weir-process.ts'

const UNIT = join(packageRoot(), 'docker', 'weir.service')
const SHORT_MS = 500
/** CAP_NET_ADMIN, CAP_PERFMON, CAP_BPF */
const CAPABILITIES = (1n << 12n) | (1n << 38n) | (1n << 39n)
/** Of systemd: what is 5 or more is called medium, then exposed, then unsafe. */
const MAX_EXPOSURE = 3

const policy = (path: string): unknown =>
  networkPolicy('server', { ingress: [{ ...fromPods('client'), ...onHttp(80, { path }) }] })

if (canRunPrivileged(t)) {
  t.test('the unit', async (t) => {
    const node = NodeNamespace.forTest(t)
    const [client, server] = [addPod(node, 'client'), addPod(node, 'server')]
    const layer = await installed(node)
    writeConfiguration(layer, [client, server])
    const machine = await SystemdMachine.boot(t, node, layer)
    const weir = async (...args: string[]): Promise<string> =>
      (await machine.exec(['weir', ...args])).stdout.toString()
    const systemctl = (...args: string[]): Promise<unknown> => machine.exec(['systemctl', ...args])
    t.teardown(async () => {
      if (t.passing()) return
      t.comment((await machine.exec(['journalctl', '--unit=weir', '--no-pager'])).stdout.toString())
    })
    const site = await startHttpServer(server, { port: 80 })
    t.teardown(() => site.close())
    const statusOf = async (path: string): Promise<number> =>
      (await curl(client, urlOf(server.v4, path), { connectTimeoutMs: SHORT_MS })).status
    const isEnforced = async (what: string, allowed = '/ok'): Promise<void> => {
      const isInForce = async (): Promise<boolean> =>
        (await statusOf('/no')) === 403 && (await statusOf(allowed)) === 200
      await waitFor(isInForce, { what, timeoutMs: 30_000 })
      for (const address of addressesOf(server)) {
        t.equal(
          (await curl(client, urlOf(address, allowed))).status,
          200,
          `${what}: ${allowed} of ${address}`,
        )
        t.equal((await curl(client, urlOf(address, '/no'))).status, 403, `${what}: /no of ${address}`)
      }
    }
    const workers = async (): Promise<number[]> => {
      const { workers } = JSON.parse(await weir('status', '-o', 'json')) as {
        workers: { pid: number; connected: boolean }[]
      }
      return workers.map(({ pid }) => pid).sort((a, b) => a - b)
    }

    await machine.exec(['systemd-analyze', 'verify', 'weir.service'])
    await systemctl('enable', '--now', 'weir')
    await isEnforced('after the start')

    t.test('is confined', async (t) => {
      const pid = await machine.property('weir', 'MainPID')
      const status = (await machine.exec(['cat', `/proc/${pid}/status`])).stdout.toString()
      const field = (name: string): string | undefined =>
        new RegExp(`^${name}:\\s*(\\w+)`, 'm').exec(status)?.[1]
      for (const set of ['CapEff', 'CapPrm', 'CapBnd']) t.equal(BigInt(`0x${field(set)}`), CAPABILITIES, set)
      t.equal(field('NoNewPrivs'), '1')
      t.equal(field('Seccomp'), '2')
      const write = ['nsenter', `--target=${pid}`, '--mount', 'touch', '/usr/file', '/etc/weir/file']
      const { stderr } = await machine.exec(write, { check: false })
      t.equal(stderr.match(/Read-only file system/g)?.length, 2, 'the system is read-only')
    })

    t.test('after a crash of the agent the next one takes over its workers', async (t) => {
      const [pid, before] = [await machine.property('weir', 'MainPID'), await workers()]
      await systemctl('kill', '--kill-who=main', '--signal=KILL', 'weir')
      t.equal(await statusOf('/ok'), 200, 'traffic goes on')
      t.equal(await statusOf('/no'), 403, 'under policy')
      await waitFor(async () => !['0', pid].includes(await machine.property('weir', 'MainPID')), {
        what: 'another agent',
        timeoutMs: 30_000,
      })
      await waitFor(async () => (await workers()).length === before.length, {
        what: 'workers',
        timeoutMs: 30_000,
      })
      t.strictSame(await workers(), before)
      writeFileSync(join(layer, 'etc/weir/policies/server.yaml'), stringify(policy('/other')))
      await isEnforced('after the crash', '/other')
      writeFileSync(join(layer, 'etc/weir/policies/server.yaml'), stringify(policy('/ok')))
      await isEnforced('after the change', '/ok')
    })

    t.test('restart, reload, stop', async (t) => {
      const before = await workers()
      await systemctl('restart', 'weir')
      await isEnforced('after the restart')
      const after = await workers()
      t.notOk(
        after.some((pid) => before.includes(pid)),
        'new workers',
      )
      await systemctl('reload', 'weir')
      await isEnforced('after the reload')
      t.strictSame(await workers(), after)

      await systemctl('stop', 'weir')
      t.equal(await statusOf('/ok'), 0, 'L7 ports are closed')
      t.match(await weir('cleanup'), /nothing of Weir is left/)
      t.equal(await statusOf('/no'), 200, 'without Weir')
    })
  })

  t.test('systemd finds it exposed to little', async (t) => {
    const command = [
      'systemd-analyze',
      'security',
      '--offline=true',
      `--threshold=${MAX_EXPOSURE * 10}`,
      UNIT,
    ]
    const { code, stdout } = await runCommand(command, { check: false })
    t.equal(code, 0, stdout.toString().slice(-200))
  })
}

/** Files of a machine with Weir installed as a service. */
async function installed(node: NodeNamespace): Promise<string> {
  const layer = join(node.workDir, 'layer')
  for (const folder of ['etc/systemd/system', 'etc/weir/policies', 'usr/local/bin'])
    mkdirSync(join(layer, folder), { recursive: true })
  copyFileSync(UNIT, join(layer, 'etc/systemd/system/weir.service'))
  await install(await packBuilt(join(node.workDir, 'packed')), join(layer, 'opt/weir'))
  symlinkSync('/opt/weir/node_modules/.bin/weir', join(layer, 'usr/local/bin/weir'))
  return layer
}

function writeConfiguration(layer: string, pods: readonly Pod[]): void {
  const endpoints = pods.map((pod) => endpointOf(pod, { app: pod.podName }))
  writeFileSync(join(layer, 'etc/weir/endpoints.yaml'), stringify(endpoints))
  writeFileSync(join(layer, 'etc/weir/policies/server.yaml'), stringify(policy('/ok')))
}
