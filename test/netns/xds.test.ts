// Workers that get their policies by xDS, from a unix socket and over TCP with mutual TLS, on real traffic.
import { join } from 'node:path'
import t from 'tap'
import { Authority } from '../helpers/certificates.ts'
import { curl } from '../helpers/curl.ts'
import { startHttpServer } from '../helpers/http-server.ts'
import { fromPods, networkPolicy, onHttp } from '../helpers/network-policy.ts'
import { NodeNamespace, urlOf } from '../helpers/node-namespace.ts'
import { canRunPrivileged } from '../helpers/privileges.ts'
import { waitFor } from '../helpers/wait.ts'
import { endpointOf, WeirProcess } from '../helpers/weir-process.ts'

const LISTEN = '127.0.0.1:15901'

interface Status {
  readonly xdsClients: readonly {
    readonly peer: string
    readonly mode: string
    readonly revisionWanted: string
    readonly revisionRealised: string
  }[]
  readonly problems: readonly string[]
}

if (canRunPrivileged(t)) {
  t.test('an agent and workers that it tells by xDS', async (t) => {
    const node = NodeNamespace.forTest(t)
    const client = node.addPod({ name: 'client', v4: '10.244.0.11', v6: 'fd00:244::11' })
    const server = node.addPod({ name: 'server', v4: '10.244.0.12', v6: 'fd00:244::12' })
    const http = await startHttpServer(server)
    t.teardown(() => http.close())
    const authority = new Authority(t)
    const tlsArgs = ({ cert, key, ca }: ReturnType<Authority['issue']>): string[] => {
      return ['--tls-cert', cert, '--tls-key', key, '--tls-ca', ca]
    }
    const allowing = (path: string) =>
      networkPolicy('server', { ingress: [{ ...fromPods('client'), ...onHttp(80, { path }) }] })
    const agent = await WeirProcess.start(node, {
      endpoints: [endpointOf(client, { app: 'client' }), endpointOf(server, { app: 'server' })],
      policies: { 'server.yaml': allowing('/a') },
      command: [
        ...['agent', '--endpoints', join(node.workDir, 'endpoints.yaml')],
        ...['--policies', join(node.workDir, 'policies'), '--listen', LISTEN],
        ...tlsArgs(authority.issue('agent', 'IP:127.0.0.1')),
      ],
    })
    const worker = (...args: string[]): Promise<WeirProcess> =>
      WeirProcess.start(node, { command: ['proxy', ...args], waitReady: false })
    const workers = [
      await worker('--slot', '0', '--xds', `unix:${join(node.stateDir, 'agent.sock')}`),
      await worker(
        ...['--slot', '1', '--xds', LISTEN, '--xds-mode', 'ads'],
        ...tlsArgs(authority.issue('proxy', 'DNS:proxy')),
      ),
    ]
    for (const each of workers)
      await each.waitForLog(({ msg }) => msg === 'worker ready', { what: 'worker ready' })
    const status = async (): Promise<Status> => (await agent.json('status')) as Status
    t.same((await status()).xdsClients.map(({ mode, peer }) => [mode, peer.replace(/:\d+$/, '')]).sort(), [
      ['ads', '127.0.0.1'],
      ['split', 'unix'],
    ])
    t.same((await status()).problems, [])
    for (const address of [server.v4, server.v6]) {
      t.match(await curl(client, urlOf(address, '/a')), { status: 200 })
      t.match(await curl(client, urlOf(address, '/b')), { status: 403 })
    }
    agent.writePolicy('server.yaml', allowing('/b'))
    await waitFor(async () => (await curl(client, urlOf(server.v4, '/b'))).status === 200, {
      what: 'the change',
    })
    await waitFor(
      async () => {
        const { xdsClients } = await status()
        return xdsClients.every(({ revisionWanted, revisionRealised }) => revisionRealised === revisionWanted)
      },
      { what: 'both workers to accept it' },
    )
    t.match(await curl(client, urlOf(server.v4, '/a')), { status: 403 })
    t.match((await agent.cli(['endpoint', 'list'])).stdout.toString(), /ready +\d+ /, 'all have the revision')

    // Without an agent the last policy stays, and the next one finds its workers again.
    await agent.kill9('agent')
    t.match(await curl(client, urlOf(server.v4, '/b')), { status: 200 })
    t.match(await curl(client, urlOf(server.v4, '/a')), { status: 403 })
    for (const each of workers) await each.stop()
  })
}
