// From an agent that is not ours to requests: what NPDS brings decides about real connections on loopback.
import { once } from 'node:events'
import { mkdtempSync, rmSync } from 'node:fs'
import { Agent, createServer, request } from 'node:http'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import t, { type Test } from 'tap'
import type { NetworkPolicy } from '../../src/gen/cilium/NetworkPolicy.ts'
import { parseAddress } from '../../src/lib/address.ts'
import { asEndpointId, asIdentity, asRevision } from '../../src/lib/brands.ts'
import { agentChannel } from '../../src/lib/rpc/channel.ts'
import { AccessLog } from '../../src/proxy/access-log.ts'
import { Enforcer } from '../../src/proxy/enforcer.ts'
import { TcpNetwork } from '../../src/proxy/io/tcp-network.ts'
import { ProxyListener } from '../../src/proxy/listener.ts'
import { XdsClient } from '../../src/proxy/xds/xds-client.ts'
import { Mailbox, logTo } from '../helpers/events.ts'
import { ScriptedXdsServer } from '../helpers/xds-server.ts'

t.setTimeout(120_000)

const LOOPBACK = parseAddress('127.0.0.1')
const CLIENT_IDENTITY = 1000

/** A worker without its kernel: connections come to a plain port, and the server is the one of the test. */
async function startWorker(t: Test, socketPath: string): Promise<number> {
  const server = createServer((_request, response) => response.end('hello'))
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  t.teardown(() => server.close())
  const enforcer = new Enforcer({
    maps: {
      // The datapath numbers endpoints in another way than the agent of the test.
      takeConnection: () => ({
        revision: asRevision(1),
        sourceIdentity: asIdentity(CLIENT_IDENTITY),
        destinationIdentity: asIdentity(1001),
        egressEndpoint: asEndpointId(0),
        ingressEndpoint: asEndpointId(4242),
      }),
    },
    accessLog: new AccessLog({ sinks: [] }),
    deniedBody: Buffer.from('Access denied\r\n'),
    findsByAddress: true,
  })
  const network = new TcpNetwork()
  const listener = new ProxyListener({
    network,
    listen: [{ address: LOOPBACK, port: 0, isTransparent: false, mark: 0, isShared: true }],
    resolve: (accepted) => {
      const decision = enforcer.resolve(accepted)
      if ('close' in decision) return decision
      const { port } = server.address() as AddressInfo
      const local = { source: LOOPBACK, destination: LOOPBACK, destinationPort: port, mark: 0 }
      return { ...decision, dial: { ...local, isTransparent: false } }
    },
  })
  const client = new XdsClient({
    channel: agentChannel(socketPath),
    mode: 'split',
    slot: 0,
    version: 'test',
    log: logTo(new Mailbox()),
    apply: (snapshot) => enforcer.apply(snapshot),
  })
  client.start()
  t.teardown(async () => {
    client.close()
    await listener.stop()
    network.close()
  })
  return listener.sockets[0]?.port ?? 0
}

/** Status of the answer, or the error code of the connection. */
function send(agent: Agent, port: number, method: string): Promise<number | string> {
  return new Promise((resolve) => {
    const call = request({ agent, host: '127.0.0.1', port, method, path: '/v1/' }, (response) => {
      response.resume()
      response.on('end', () => resolve(response.statusCode ?? 0))
    })
    call.on('error', (error: NodeJS.ErrnoException) => resolve(error.code ?? error.message))
    call.end()
  })
}

t.test('requests follow each accepted update, on the same connection', async (t) => {
  const dir = mkdtempSync(join(tmpdir(), 'weir-'))
  t.teardown(() => rmSync(dir, { recursive: true, force: true }))
  const server = await ScriptedXdsServer.start(join(dir, 'xds.sock'))
  t.teardown(() => server.stop())
  const port = await startWorker(t, join(dir, 'xds.sock'))
  const agent = new Agent({ keepAlive: true, maxSockets: 1 })
  t.teardown(() => agent.destroy())
  t.equal(await send(agent, port, 'GET'), 'ECONNRESET', 'without a policy nobody gets through')

  const stream = await server.streams.take()
  await stream.requests.take()
  const allowing = (method: string, address = '127.0.0.1'): NetworkPolicy => ({
    endpointId: 7,
    endpointIps: [address],
    ingressPerPortPolicies: [
      {
        port: 1024,
        endPort: 65_535,
        rules: [
          {
            remotePolicies: [CLIENT_IDENTITY],
            httpRules: {
              httpRules: [{ headers: [{ name: ':method', stringMatch: { safeRegex: { regex: method } } }] }],
            },
          },
        ],
      },
    ],
  })
  const update = async (version: string, policies: NetworkPolicy[]): Promise<boolean> => {
    stream.respond(version, policies)
    return (await stream.requests.take()).errorDetail === null
  }
  t.ok(await update('1', [allowing('POST')]))
  t.equal(await send(agent, port, 'GET'), 403)
  t.equal(await send(agent, port, 'POST'), 200)
  t.ok(await update('2', [allowing('GET')]))
  t.equal(await send(agent, port, 'GET'), 200)
  t.equal(await send(agent, port, 'POST'), 403)
  t.notOk(await update('3', [allowing('POST|('), allowing('POST')]))
  t.equal(await send(agent, port, 'GET'), 200, 'a refused update changes nothing')
  t.ok(await update('4', [allowing('POST'), { ...allowing('GET', '192.0.2.9'), endpointId: 4242 }]))
  t.equal(await send(agent, port, 'GET'), 403, 'the policy of the address, not of the number')
  t.ok(await update('5', [{ ...allowing('POST', '192.0.2.9'), endpointId: 4242 }]))
  t.equal(await send(agent, port, 'POST'), 'ECONNRESET', 'an address without a policy is denied')
})
