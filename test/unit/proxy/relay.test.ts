import fc from 'fast-check'
import t from 'tap'
import { openMemoryRelay } from '../../helpers/memory-relay.ts'

const KIB = 1024

t.test('bytes pass both ways, however they are split and however small the windows', async () => {
  const bytes = fc.uint8Array({ maxLength: 5000 })
  fc.assert(
    fc.property(
      bytes,
      bytes,
      fc.integer({ min: 1, max: 700 }),
      fc.integer({ min: 1, max: 900 }),
      (up, down, chunk, window) => {
        const { client, server, run, ends } = openMemoryRelay()
        client.window = window
        server.window = window
        client.send(up, chunk)
        client.end()
        server.send(down, chunk)
        server.end()
        const [toServer, toClient]: [Buffer[], Buffer[]] = [[], []]
        for (let rounds = 0; rounds < 10_000 && ends.length === 0; rounds++) {
          run()
          toServer.push(server.read(window))
          toClient.push(client.read(window))
        }
        return (
          Buffer.concat(toServer).equals(up) &&
          Buffer.concat(toClient).equals(down) &&
          ends.join() === 'FINISHED' &&
          client.hasFin &&
          server.hasFin &&
          !client.hasReset &&
          !server.hasReset
        )
      },
    ),
    { numRuns: 200 },
  )
})

t.test('what the client sends before the server has answered waits, and so does the client', async (t) => {
  const { client, server, downstream, upstream, run } = openMemoryRelay({ isConnected: false })
  client.send('one', 3)
  client.send('two', 3)
  client.end()
  run()
  t.equal(upstream.queuedBytes, 3, 'only the first read is taken')
  t.equal(client.unreadBytes, 3, 'the rest stays in the kernel of the client')
  t.notOk(downstream.isEnded)
  server.accept()
  run()
  t.equal(server.received.toString(), 'onetwo')
  t.ok(server.hasFin)
})

for (const slow of ['server', 'client'] as const) {
  t.test(`a slow ${slow} stops the other side and memory stays bounded`, async (t) => {
    const pair = openMemoryRelay()
    const [receiver, sender] = slow === 'server' ? [pair.server, pair.client] : [pair.client, pair.server]
    const toReceiver = slow === 'server' ? pair.upstream : pair.downstream
    receiver.window = 10
    const sent = Buffer.alloc(1000 * KIB, 'abcdefg')
    sender.send(sent, 16 * KIB)
    pair.run()
    t.equal(toReceiver.queuedBytes, 16 * KIB - 10, 'one read is queued, no more')
    const received: Buffer[] = []
    let mostQueued = 0
    for (let i = 0; i < 2000 && sender.unreadBytes + toReceiver.queuedBytes > 0; i++) {
      received.push(receiver.read(777))
      pair.run()
      mostQueued = Math.max(mostQueued, toReceiver.queuedBytes)
    }
    received.push(receiver.read())
    t.ok(mostQueued <= 16 * KIB, `at most ${mostQueued} bytes queued`)
    t.ok(Buffer.concat(received).equals(sent))
  })
}

t.test('half-close is mirrored behind the queued bytes, the other direction lives on', async (t) => {
  const { client, server, run, ends } = openMemoryRelay()
  server.window = 2
  client.send('request')
  client.end()
  run()
  t.notOk(server.hasFin, 'FIN waits for the bytes before it')
  t.equal(server.read(100).toString(), 're')
  run()
  t.equal(server.read().toString(), 'quest')
  t.ok(server.hasFin)
  t.same(ends, [])
  server.send('response')
  run()
  t.equal(client.received.toString(), 'response')
  t.notOk(client.hasFin)
  server.end()
  run()
  t.ok(client.hasFin)
  t.same(ends, ['FINISHED'])
})

t.test('the server may close first', async (t) => {
  const { client, server, run, ends } = openMemoryRelay()
  server.send('greeting')
  server.end()
  run()
  t.equal(client.received.toString(), 'greeting')
  t.ok(client.hasFin)
  client.send('last words')
  run()
  t.equal(server.received.toString(), 'last words')
  client.end()
  run()
  t.same(ends, ['FINISHED'])
})

t.test('the second FIN does not cut off what is queued in the first direction', async (t) => {
  const { client, server, run, ends } = openMemoryRelay()
  client.window = 3
  server.send('a long response')
  server.end()
  run()
  client.end()
  run()
  t.same(ends, [])
  t.equal(client.read(100).toString(), 'a l')
  run()
  t.equal(client.read().toString(), 'ong response')
  t.same(ends, ['FINISHED'])
  t.notOk(client.hasReset)
})

t.test('RST of either side resets the other, after the bytes before it', async (t) => {
  const one = openMemoryRelay()
  one.client.send('request')
  one.client.reset()
  one.run()
  t.equal(one.server.received.toString(), 'request')
  t.ok(one.server.hasReset)
  t.same(one.ends, ['DOWNSTREAM_RESET/ECONNRESET'])

  const two = openMemoryRelay()
  two.client.window = 3
  two.server.send('response')
  two.server.reset()
  two.run()
  t.notOk(two.client.hasReset, 'queued bytes go first')
  t.equal(two.client.read(100).toString(), 'res')
  two.run()
  t.equal(two.client.read().toString(), 'ponse')
  t.ok(two.client.hasReset)
  t.same(two.ends, ['UPSTREAM_RESET/ECONNRESET'])
})

t.test('after RST a side that does not take its bytes is reset in the end', async (t) => {
  const { client, server, network, run, ends } = openMemoryRelay({ limits: { hangupMs: 1000 } })
  client.window = 3
  server.send('response')
  server.reset()
  run()
  network.advance(900)
  t.same(ends, [])
  network.advance(200)
  t.ok(client.hasReset)
  t.same(ends, ['UPSTREAM_RESET'])
})

t.test('RST of a paused side is noticed although its bytes cannot be read yet', async (t) => {
  const { client, server, upstream, network, run, ends } = openMemoryRelay({ limits: { hangupMs: 1000 } })
  server.window = 1
  client.send('more than fits')
  client.send('unread')
  run()
  client.reset()
  run()
  t.same(ends, [], 'what is queued may still reach the server')
  t.equal(upstream.queuedBytes, 13)
  network.advance(1100)
  t.ok(server.hasReset)
  t.same(ends, ['DOWNSTREAM_RESET'])
})

t.test('RST after FIN resets a server that is still working', async (t) => {
  const { client, server, run, ends } = openMemoryRelay()
  client.send('request')
  client.end()
  run()
  client.reset()
  run()
  t.ok(server.hasReset)
  t.same(ends, ['DOWNSTREAM_RESET/ECONNRESET'])
})

t.test('a refused connection is refused to the client', async (t) => {
  const { client, server, run, ends } = openMemoryRelay({ isConnected: false })
  client.send('request')
  server.reset('ECONNREFUSED')
  run()
  t.ok(client.hasReset)
  t.same(ends, ['CONNECT_FAILED/ECONNREFUSED'])
})

t.test('a server that does not answer times out', async (t) => {
  const { client, upstream, network, ends } = openMemoryRelay({
    isConnected: false,
    limits: { connectMs: 5000 },
  })
  network.advance(4900)
  t.same(ends, [])
  network.advance(200)
  t.same(ends, ['CONNECT_TIMEOUT'])
  t.ok(client.hasReset)
  t.ok(upstream.isClosed)
})

t.test('a client that gives up before the server has answered', async (t) => {
  const { client, server, run, ends, upstream } = openMemoryRelay({ isConnected: false })
  client.reset()
  run()
  t.same(ends, ['DOWNSTREAM_RESET/ECONNRESET'])
  t.ok(upstream.isClosed)
  server.accept()
  server.send('too late')
  run()
  t.same(ends, ['DOWNSTREAM_RESET/ECONNRESET'], 'late events change nothing')
})

t.test('established connections have no deadline until one side closes', async (t) => {
  const { client, server, network, run, ends } = openMemoryRelay({ limits: { halfClosedIdleMs: 60_000 } })
  network.advance(86_400_000)
  t.same(ends, [])
  client.end()
  run()
  for (let i = 0; i < 10; i++) {
    network.advance(50_000)
    server.send('.')
    run()
  }
  t.same(ends, [], 'bytes keep it alive')
  network.advance(60_200)
  t.same(ends, ['HALF_CLOSED_IDLE'])
  t.ok(client.hasReset)
  t.ok(server.hasReset)
})

t.test('abort resets both sides once', async (t) => {
  const { relay, client, server, run, ends } = openMemoryRelay()
  client.send('request')
  run()
  relay.abort('POLICY_REVOKED')
  relay.abort('SHUTDOWN')
  t.ok(client.hasReset)
  t.ok(server.hasReset)
  t.ok(relay.isClosed)
  client.send('late')
  server.end()
  run()
  t.same(ends, ['POLICY_REVOKED'])
})

t.test('bytes are counted each way', async (t) => {
  const { relay, client, server, run } = openMemoryRelay()
  client.send('12345')
  server.send('123')
  run()
  t.same(relay.stats, {
    downstreamReceivedBytes: 5,
    downstreamSentBytes: 3,
    upstreamReceivedBytes: 3,
    upstreamSentBytes: 5,
  })
})
