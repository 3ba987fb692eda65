// bpffs is one for all network namespaces: an agent must not take over the maps of one in another namespace, alive or dead.
import { mkdirSync, rmSync } from 'node:fs'
import { basename, join } from 'node:path'
import t from 'tap'
import { instancePaths } from '../../src/lib/paths.ts'
import { checkPinOwner } from '../../src/redirect/pin-owner.ts'
import { startCluster } from '../helpers/cluster.ts'
import { startHttpServer } from '../helpers/http-server.ts'
import { curl } from '../helpers/curl.ts'
import { machineState } from '../helpers/machine-state.ts'
import { Namespace } from '../helpers/namespace.ts'
import { networkPolicy, fromPods, onHttp } from '../helpers/network-policy.ts'
import { NodeNamespace, urlOf } from '../helpers/node-namespace.ts'
import { canRunPrivileged } from '../helpers/privileges.ts'
import { waitFor } from '../helpers/wait.ts'
import { MAIN, WeirProcess } from '../helpers/weir-process.ts'

const POLICY = networkPolicy('server', {
  ingress: [{ ...fromPods('client'), ...onHttp(80, { path: '/ok' }) }],
})

if (canRunPrivileged(t)) {
  for (const mode of ['hybrid', 'sk_assign']) {
    t.test(`pins, ${mode}`, async (t) => {
      const { node, pods, weir, endpoints } = await startCluster(t, {
        pods: ['client', 'server'],
        policies: { 'server.yaml': POLICY },
        args: () => ['--workers', '1', '--redirect', mode],
      })
      const { client, server } = pods
      const site = await startHttpServer(server)
      t.teardown(() => site.close())
      const enforced = async (t: { equal(found: unknown, wanted: unknown): unknown }): Promise<void> => {
        t.equal((await curl(client, urlOf(server.v4, '/ok'))).status, 200)
        t.equal((await curl(client, urlOf(server.v6, '/no'))).status, 403)
      }
      const other = NodeNamespace.forTest(t)
      const sameName = join(other.workDir, basename(node.stateDir))
      mkdirSync(join(other.workDir, 'policies'))
      const run = ['run', '--endpoints', weir.endpointsFile, '--policies', join(other.workDir, 'policies')]
      const refuses = async (
        t: {
          equal(found: unknown, wanted: unknown): unknown
          match(found: unknown, wanted: unknown): unknown
        },
        command: readonly string[],
        stateDir: string,
        message: string,
      ): Promise<void> => {
        const all = [process.execPath, MAIN, ...command, '--state-dir', stateDir]
        const { code, stderr } = await other.exec(all, { check: false })
        t.equal(code, 1)
        t.match(stderr, message)
      }
      const elsewhere = `PINNED_ELSEWHERE: ${node.bpffsDir} belongs to the network namespace net:[`
      const there = `(${node.name}), where an agent with --state-dir ${node.stateDir} was started`

      await t.test('the other agent lives', async (t) => {
        const before = machineState(node)
        for (const command of [run, ['cleanup']]) {
          await refuses(t, command, node.stateDir, `ALREADY_RUNNING: agent ${weir.pid} `)
          await refuses(t, command, sameName, elsewhere)
          await refuses(t, command, sameName, there)
        }
        t.strictSame(machineState(node), before)
        await enforced(t)
      })

      await t.test('the other agent is dead, and its enforcement stands', async (t) => {
        await weir.kill9('run')
        // Whoever comes next removes what is left of its lock.
        rmSync(join(node.stateDir, 'agent.pid'))
        const before = machineState(node)
        for (const command of [run, ['cleanup']])
          for (const stateDir of [node.stateDir, sameName]) await refuses(t, command, stateDir, elsewhere)
        t.strictSame(machineState(node), before)
        await enforced(t)
        const again = await WeirProcess.start(node, {
          endpoints,
          args: ['--workers', '1', '--redirect', mode],
        })
        await enforced(t)
        await again.kill9()
      })

      if (mode === 'hybrid') {
        await t.test('the other namespace is gone', async (t) => {
          Namespace.prototype.destroy.call(node)
          for (const pod of Object.values(pods)) pod.destroy()
          await waitFor(() => other.enter(() => isFree(node.stateDir)), {
            what: 'the kernel to forget the namespace',
          })
          const taker = await other.exec([process.execPath, MAIN, 'cleanup', '--state-dir', node.stateDir])
          t.match(taker.stdout.toString(), `removed maps in ${node.bpffsDir}`)
        })
      }
    })
  }
}

function isFree(stateDir: string): true {
  checkPinOwner(instancePaths(stateDir))
  return true
}
