// Discovery over TCP: who has no certificate gets nothing, and there is nothing else to get.
import { connect as connectTcp } from 'node:net'
import { once } from 'node:events'
import t, { type Test } from 'tap'
import { credentials } from '@grpc/grpc-js'
import { startTlsServer } from '../../src/agent/xds/tls-server.ts'
import { XdsServer } from '../../src/agent/xds/xds-server.ts'
import { xdsChannel, type ChannelArguments } from '../../src/lib/rpc/channel.ts'
import { protos } from '../../src/lib/rpc/load.ts'
import { readTlsFiles, type TlsFiles } from '../../src/lib/rpc/tls.ts'
import type { PolicySnapshot } from '../../src/policy/network-policy.ts'
import { XdsClient } from '../../src/proxy/xds/xds-client.ts'
import { Authority } from '../helpers/certificates.ts'
import { Mailbox, logTo, type LogLine } from '../helpers/events.ts'
import { sampleSnapshot } from '../helpers/snapshot.ts'

t.setTimeout(120_000)

const HOST = '127.0.0.1'

async function startServer(t: Test, files: TlsFiles, host = HOST) {
  const xds = new XdsServer({ log: logTo(new Mailbox()), hostAddresses: () => [] })
  await xds.publish(sampleSnapshot(7))
  const server = await startTlsServer({ kind: 'tcp', host, port: 0 }, readTlsFiles(files), xds.handlers)
  t.teardown(() => server.close())
  return { xds, port: server.port }
}

function startClient(t: Test, channel: ChannelArguments) {
  const applied = new Mailbox<PolicySnapshot>()
  const log = new Mailbox<LogLine>()
  const apply = (snapshot: PolicySnapshot): undefined => void applied.push(snapshot)
  const backoff = { firstMs: 1, lastMs: 4 }
  const options = {
    channel,
    mode: 'split',
    slot: 0,
    version: '0.1.0',
    log: logTo(log),
    apply,
    backoff,
  } as const
  const client = new XdsClient(options)
  client.start()
  t.teardown(() => client.close())
  return { applied, log }
}

const target = (port: number, host = HOST) => ({ kind: 'tcp', host, port }) as const

t.test('both sides with certificates of one authority', async (t) => {
  const authority = new Authority(t)
  const { port, xds } = await startServer(t, authority.issue('agent', `IP:${HOST},DNS:localhost`))
  const tls = readTlsFiles(authority.issue('proxy', 'DNS:proxy'))
  const { applied } = startClient(t, xdsChannel(target(port), tls))
  t.match(await applied.take(), { revision: 7, policies: [{ endpointId: 7 }] })
  t.match(xds.clients()[0]?.peer, /^127\.0\.0\.1:\d+$/)
  const byName = startClient(t, xdsChannel(target(port, 'localhost'), tls))
  t.equal((await byName.applied.take()).revision, 7)
})

t.test('refused: no certificate, one of another authority, no TLS, a server of another name', async (t) => {
  const authority = new Authority(t)
  const stranger = new Authority(t)
  const { port, xds } = await startServer(t, authority.issue('agent', `IP:${HOST},DNS:agent.example`))
  const other = await startServer(t, authority.issue('other', 'DNS:other.example'))
  const tls = readTlsFiles(authority.issue('proxy', 'DNS:proxy'))
  const strangers = readTlsFiles({ ...stranger.issue('proxy', 'DNS:proxy'), ca: authority.file })
  const options = { 'grpc.use_local_subchannel_pool': 1, 'grpc.ssl_target_name_override': 'agent.example' }
  const address = `${HOST}:${port}`
  const cases: readonly [string, ChannelArguments][] = [
    ['no certificate', [address, credentials.createSsl(tls.ca), options]],
    ['another authority', xdsChannel(target(port), strangers)],
    ['no TLS', [address, credentials.createInsecure(), options]],
    ['another name', xdsChannel(target(other.port), tls)],
  ]
  for (const [name, channel] of cases) {
    const { log, applied } = startClient(t, channel)
    const line = await log.takeUntil(({ msg }) => msg.startsWith('xDS server not reached'))
    t.match(line, { level: 40, reason: /./ }, `${name}: ${String(line['reason'])}`)
    t.ok(await Promise.race([applied.take().then(() => false), Promise.resolve(true)]))
  }
  t.same([...xds.clients(), ...other.xds.clients()], [], 'nobody got through')
  const untrusting = readTlsFiles({ ...authority.issue('proxy2', 'DNS:proxy'), ca: stranger.file })
  const { log } = startClient(t, xdsChannel(target(port), untrusting))
  await log.takeUntil(({ msg }) => msg.startsWith('xDS server not reached'))
})

t.test('bytes that are no handshake get no answer but the end', async (t) => {
  const authority = new Authority(t)
  const { port } = await startServer(t, authority.issue('agent', `IP:${HOST}`))
  const socket = connectTcp(port, HOST)
  socket.on('error', () => {})
  socket.write('PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n')
  socket.resume()
  await once(socket, 'close')
  t.equal(socket.bytesRead < 64, true, 'a TLS alert at most')
})

t.test('nothing but discovery is served', async (t) => {
  const authority = new Authority(t)
  const { port } = await startServer(t, authority.issue('agent', `IP:${HOST}`))
  const channel = xdsChannel(target(port), readTlsFiles(authority.issue('proxy', 'DNS:proxy')))
  const control = new (protos().weir.v1.ControlService)(...channel)
  const agent = new (protos().weir.v1.AgentService)(...channel)
  t.teardown(() => control.close())
  t.teardown(() => agent.close())
  const stream = control.Connect()
  stream.on('data', () => {})
  t.match(await new Promise((resolve) => stream.on('error', resolve)), { code: 12 })
  t.match(await new Promise((resolve) => agent.GetStatus({}, (error) => resolve(error))), { code: 12 })
})

t.test('files that do not fit, and an address that is taken', async (t) => {
  const authority = new Authority(t)
  const agent = authority.issue('agent', `IP:${HOST}`)
  const other = authority.issue('other', `IP:${HOST}`)
  const invalid = { code: 'CONFIG_INVALID' }
  t.throws(() => readTlsFiles({ ...agent, key: other.key }), {
    ...invalid,
    message: /--tls-key .*other\.key/,
  })
  t.throws(() => readTlsFiles({ ...agent, ca: '/nowhere' }), {
    ...invalid,
    message: /--tls-ca \/nowhere: ENOENT/,
  })
  const { port, xds } = await startServer(t, agent)
  await t.rejects(startTlsServer(target(port), readTlsFiles(agent), xds.handlers), {
    code: 'KERNEL_CALL_FAILED',
    message: /listen on 127\.0\.0\.1:\d+/,
  })
})
