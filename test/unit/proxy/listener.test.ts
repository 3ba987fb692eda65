import t from 'tap'
import { parseAddress } from '../../../src/lib/address.ts'
import { MemoryNetwork } from '../../../src/proxy/io/memory-network.ts'
import type { MemorySocket } from '../../../src/proxy/io/memory-socket.ts'
import type { ConnectionDecision, ConnectionResolver } from '../../../src/proxy/connection.ts'
import { ProxyListener } from '../../../src/proxy/listener.ts'
import type { Relay } from '../../../src/proxy/relay.ts'

const LOOPBACK = parseAddress('127.0.0.1')
const CLIENT = { address: parseAddress('10.0.0.1'), port: 4711 }
const SERVER = { address: parseAddress('10.0.0.2'), port: 80 }
const PORT = 15001

function start(resolve: ConnectionResolver): {
  network: MemoryNetwork
  listener: ProxyListener
  connect: (local?: typeof SERVER) => MemorySocket
} {
  const network = new MemoryNetwork()
  const listener = new ProxyListener({
    network,
    listen: [{ address: LOOPBACK, port: PORT, isTransparent: true, mark: 0xb00, isShared: true }],
    resolve,
  })
  const connect = (local = SERVER): MemorySocket => {
    const socket = network.connect(PORT, CLIENT, local)
    if (socket === null) throw new Error('nothing listens')
    return socket
  }
  return { network, listener, connect }
}

const passThrough: ConnectionResolver = (connection): ConnectionDecision => ({
  parser: null,
  dial: {
    source: connection.peerAddress,
    destination: connection.localAddress,
    destinationPort: connection.localPort,
    mark: 0xa00,
    isTransparent: true,
  },
})

t.test('the resolver sees both ends and its dial is made', async (t) => {
  const asked: unknown[] = []
  const { network, listener, connect } = start((connection) => {
    asked.push(connection)
    return passThrough(connection)
  })
  const socket = connect()
  socket.peer.send('hello')
  network.dials[0]?.socket.peer.accept()
  network.run()
  t.same(asked, [
    { peerAddress: CLIENT.address, peerPort: 4711, localAddress: SERVER.address, localPort: 80 },
  ])
  t.same(network.dials[0]?.options, {
    source: CLIENT.address,
    destination: SERVER.address,
    destinationPort: 80,
    mark: 0xa00,
    isTransparent: true,
  })
  t.equal(network.dials[0]?.socket.peer.received.toString(), 'hello')
  t.equal(listener.counters.active, 1)
  t.equal(listener.relays.size, 1)
})

t.test('fail closed: a refusal, an exception and a direct connection all get RST and a count', async (t) => {
  let answer: ConnectionResolver = () => ({ close: 'NO_ENTRY' })
  const { network, listener, connect } = start((connection) => answer(connection))
  t.ok(connect().peer.hasReset)
  answer = () => {
    throw new Error('map is gone')
  }
  t.ok(connect().peer.hasReset)
  answer = (connection) => ({
    ...(passThrough(connection) as Exclude<ConnectionDecision, { close: string }>),
    parser: () => {
      throw new Error('no such protocol')
    },
  })
  t.ok(connect().peer.hasReset)
  answer = passThrough
  t.ok(connect({ address: LOOPBACK, port: PORT }).peer.hasReset)
  t.same(Object.fromEntries(listener.counters.refused), {
    NO_ENTRY: 1,
    RESOLVER_FAILED: 1,
    RELAY_FAILED: 1,
    NOT_REDIRECTED: 1,
  })
  t.equal(listener.counters.total, 4)
  t.equal(listener.counters.active, 0)
  t.ok(
    network.dials.every(({ socket }) => socket.isClosed),
    'no dial is left behind',
  )
})

t.test('ends are counted by reason and detail, and told to the one who decided', async (t) => {
  const told: string[] = []
  const opened: Relay[] = []
  const { network, listener, connect } = start((connection) => ({
    ...(passThrough(connection) as Exclude<ConnectionDecision, { close: string }>),
    onOpened: (relay) => opened.push(relay),
    onClosed: (relay, reason, detail) => told.push(`${opened.indexOf(relay)} ${reason} ${detail}`),
  }))
  connect()
  connect()
  network.dials[0]?.socket.peer.reset('ECONNREFUSED')
  network.run()
  for (const relay of listener.relays) relay.abort('POLICY_REVOKED')
  t.same(told, ['0 CONNECT_FAILED ECONNREFUSED', '1 POLICY_REVOKED '])
  t.same(Object.fromEntries(listener.counters.closed), { CONNECT_FAILED: 1, POLICY_REVOKED: 1 })
  t.same(Object.fromEntries(listener.counters.details), { 'CONNECT_FAILED/ECONNREFUSED': 1 })
  t.equal(listener.counters.active, 0)
})

t.test('stop lets relays end in time, then resets the rest', async (t) => {
  const { network, listener, connect } = start(passThrough)
  const [quick, slow] = [connect(), connect()]
  for (const { socket } of network.dials) socket.peer.accept()
  network.run()
  const stopped = listener.stop(10)
  t.equal(network.connect(PORT, CLIENT, SERVER), null, 'nothing is accepted any more')
  quick.peer.end()
  network.dials[0]?.socket.peer.end()
  network.run()
  await stopped
  t.notOk(quick.peer.hasReset)
  t.ok(slow.peer.hasReset)
  t.same(Object.fromEntries(listener.counters.closed), { FINISHED: 1, SHUTDOWN: 1 })
})

t.test('stop does not wait when the last relay has ended', async (t) => {
  const { network, listener, connect } = start(passThrough)
  const socket = connect()
  network.dials[0]?.socket.peer.accept()
  network.run()
  const stopped = listener.stop(3_600_000)
  socket.peer.end()
  network.dials[0]?.socket.peer.end()
  network.run()
  await stopped
  t.equal(listener.counters.active, 0)
})

t.test('when one of several addresses cannot be used the others are closed again', async (t) => {
  const network = new MemoryNetwork()
  const one = { address: LOOPBACK, port: PORT, isTransparent: false, mark: 0, isShared: false }
  t.throws(() => new ProxyListener({ network, listen: [one, one], resolve: passThrough }), {
    code: 'CONFIG_INVALID',
  })
  t.equal(network.connect(PORT, CLIENT, SERVER), null)
})
