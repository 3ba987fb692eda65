// Root with two capabilities and no others: whatever Weir does has to work with them, and to fail clearly without.
import t from 'tap'
import { inForce, startCluster } from '../helpers/cluster.ts'
import { curl } from '../helpers/curl.ts'
import { startHttpServer } from '../helpers/http-server.ts'
import { fromPods, networkPolicy, onHttp } from '../helpers/network-policy.ts'
import { addressesOf, NodeNamespace, urlOf } from '../helpers/node-namespace.ts'
import { canRunPrivileged } from '../helpers/privileges.ts'
import { MAIN, WeirProcess } from '../helpers/weir-process.ts'

const NEEDED = ['net_admin', 'bpf'] as const

const weirWith = (capabilities: readonly string[]): string[] => [
  ...['setpriv', `--bounding-set=${['-all', ...capabilities.map((name) => `+${name}`)].join()}`],
  ...['--inh-caps=-all', '--no-new-privs', process.execPath, MAIN],
]

const policy = (path: string): unknown =>
  networkPolicy('server', { ingress: [{ ...fromPods('client'), ...onHttp(80, { path }) }] })

if (canRunPrivileged(t)) {
  t.test(`with ${NEEDED.join(' and ')}`, async (t) => {
    const executable = weirWith(NEEDED)
    const cluster = await startCluster(t, {
      executable,
      pods: ['client', 'server'],
      policies: { 'server.yaml': policy('/first') },
    })
    const { node, pods } = cluster
    let { weir } = cluster
    const site = await startHttpServer(pods.server, { port: 80 })
    t.teardown(() => site.close())
    const allowsOnly = async (allowed: string): Promise<void> => {
      for (const address of addressesOf(pods.server)) {
        for (const path of ['/first', '/second']) {
          const { status } = await curl(pods.client, urlOf(address, path))
          t.equal(status, path === allowed ? 200 : 403, `${path} of ${address}`)
        }
      }
    }

    await allowsOnly('/first')
    await inForce(weir, () => weir.writePolicy('server.yaml', policy('/second')))
    await allowsOnly('/second')

    await weir.kill9('run')
    weir = await WeirProcess.start(node, { executable })
    await inForce(weir, () => weir.writePolicy('server.yaml', policy('/first')))
    await allowsOnly('/first')
    t.match((await weir.cli(['bpf', 'policy'])).stdout.toString(), /redirect/, 'policy maps can be read')

    await inForce(weir, () => weir.writeEndpoints(cluster.endpoints.slice(0, 1)))
    t.equal(await weir.stop(), 0)
    await weir.cli(['cleanup'])
    t.notMatch(node.execSync(['tc', 'filter', 'show', 'dev', pods.client.device, 'ingress']), 'weir')
    for (const family of ['-4', '-6']) t.notMatch(node.execSync(['ip', family, 'rule']), '30565')
  })

  for (const capability of NEEDED) {
    t.test(`without ${capability}`, async (t) => {
      const node = NodeNamespace.forTest(t)
      const executable = weirWith(NEEDED.filter((other) => other !== capability))
      const weir = await WeirProcess.start(node, { executable, endpoints: '[]', waitReady: false })
      await weir.waitForEnd()
      t.equal(weir.process.exitCode, 1)
      const name = `CAP_${capability.toUpperCase()}`
      t.match(weir.logText(), new RegExp(`NOT_PRIVILEGED: weir lacks ${name}`))
      const doctor = await node.exec([...executable, 'doctor'], { check: false })
      t.equal(doctor.code, 1)
      t.match(doctor.stdout.toString(), new RegExp(`capabilities +blocking +without ${name}`))
      t.match(
        doctor.stderr,
        /MACHINE_UNFIT: Weir cannot work here: capabilities;/,
        'the kernel is not blamed',
      )
    })
  }
}
