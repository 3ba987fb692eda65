import { createHash, randomBytes } from 'node:crypto'
import { once } from 'node:events'
import type net from 'node:net'
import t from 'tap'
import { MAX_READ_BYTES } from '../../src/proxy/io/limits.ts'
import { LineParser } from '../helpers/line-parser.ts'
import {
  connectTo,
  openDescriptors,
  openLoopbackRelay,
  receiveAll,
  serveLoopback,
} from '../helpers/loopback-relay.ts'
import { waitFor } from '../helpers/wait.ts'

const MIB = 1024 * 1024

function sha256(data: Buffer): string {
  return createHash('sha256').update(data).digest('hex')
}

/** Exchange `bytes` with a server that sends its own at the same time; both sides close when done. */
async function exchange(client: net.Socket, bytes: Buffer): Promise<Buffer> {
  client.end(bytes)
  return receiveAll(client)
}

for (const host of ['127.0.0.1', '::1'] as const) {
  t.test(`10 MB both ways at once, byte-exact: ${host}`, async (t) => {
    const [up, down] = [randomBytes(10 * MIB), randomBytes(10 * MIB)]
    let received: Promise<Buffer> | undefined
    const server = await serveLoopback((socket) => {
      socket.end(down)
      received = receiveAll(socket)
    }, host)
    const relay = openLoopbackRelay({ serverPort: server.port, host })
    const gotDown = await exchange(await connectTo(relay), up)
    t.equal(sha256(gotDown), sha256(down))
    t.equal(sha256((await received) ?? Buffer.alloc(0)), sha256(up))
    await waitFor(() => relay.listener.counters.active === 0, { what: 'the relay to end' })
    t.same([...relay.listener.counters.closed], [['FINISHED', 1]])
    await relay.close()
    server.close()
  })
}

t.test('a parser between: lines of 10 MB, allowed and denied, at any boundary', async (t) => {
  const allowed = `allow ${'x'.repeat(90)}\n`
  const denied = 'deny this one\n'
  const rounds = 100_000
  let received: Promise<Buffer> | undefined
  const server = await serveLoopback((socket) => {
    received = receiveAll(socket)
    void received.then(() => socket.end())
  })
  const relay = openLoopbackRelay({ serverPort: server.port, parser: (steps) => new LineParser(steps) })
  const answers = await exchange(await connectTo(relay), Buffer.from((allowed + denied).repeat(rounds)))
  t.ok((await received)?.equals(Buffer.from(allowed.repeat(rounds))))
  t.equal(answers.toString(), 'denied\n'.repeat(rounds))
  await relay.close()
  server.close()
})

t.test('the answer before an error reaches a client that goes on sending', async (t) => {
  const server = await serveLoopback((socket) => socket.resume())
  const relay = openLoopbackRelay({ serverPort: server.port, parser: (steps) => new LineParser(steps) })
  for (let i = 0; i < 20; i++) {
    const client = await connectTo(relay)
    client.write('deny\nnonsense\n')
    client.end(Buffer.alloc(2 * MIB))
    t.equal((await receiveAll(client)).toString(), 'denied\nerror\n')
  }
  await waitFor(() => relay.listener.counters.active === 0, { what: 'the relays to end' })
  t.same([...relay.listener.counters.details], [['PARSER_ERROR/LINE_INVALID', 20]])
  await relay.close()
  server.close()
})

t.test('1,000 short connections leave nothing behind', async (t) => {
  const server = await serveLoopback((socket) => socket.pipe(socket))
  const relay = openLoopbackRelay({ serverPort: server.port })
  const before = openDescriptors()
  let exact = 0
  const worker = async (): Promise<void> => {
    for (let i = 0; i < 50; i++) {
      const client = await connectTo(relay)
      const echoed = await exchange(client, Buffer.from(`request ${i}`))
      if (echoed.toString() === `request ${i}`) exact++
    }
  }
  await Promise.all(Array.from({ length: 20 }, worker))
  t.equal(exact, 1000)
  await waitFor(() => openDescriptors() <= before, { what: 'the descriptors to be closed' })
  t.equal(relay.listener.counters.active, 0)
  t.same([...relay.listener.counters.closed], [['FINISHED', 1000]])
  await relay.close()
  server.close()
})

t.test('a server that does not read stops the client, and memory stays bounded', async (t) => {
  const total = 64 * MIB
  let startReading = (): void => undefined
  let received = 0
  const server = await serveLoopback((socket) => {
    startReading = () => socket.on('data', (chunk) => (received += chunk.length))
    socket.on('end', () => socket.end())
  })
  const relay = openLoopbackRelay({ serverPort: server.port })
  const client = await connectTo(relay)
  client.resume()
  client.end(Buffer.alloc(total))
  const [pair] = relay.listener.relays
  if (pair === undefined) throw new Error('no relay')
  // Full: something waits in the relay, and nothing has moved between two looks.
  let last = -1
  await waitFor(
    () => {
      const isStill = pair.upstream.queuedBytes > 0 && pair.stats.downstreamReceivedBytes === last
      last = pair.stats.downstreamReceivedBytes
      return isStill
    },
    { what: 'the relay to be full' },
  )
  t.ok(pair.upstream.queuedBytes <= MAX_READ_BYTES, `${pair.upstream.queuedBytes} bytes queued`)
  t.ok(pair.stats.downstreamReceivedBytes < total / 2, `${pair.stats.downstreamReceivedBytes} bytes taken`)
  startReading()
  await once(client, 'end')
  t.equal(received, total)
  await relay.close()
  server.close()
})

t.test('half-close: the server answers after the FIN of the client, and the other way round', async (t) => {
  const server = await serveLoopback((socket) => {
    void receiveAll(socket).then((request) => socket.end(`got ${request.toString()}`))
  })
  const relay = openLoopbackRelay({ serverPort: server.port })
  t.equal((await exchange(await connectTo(relay), Buffer.from('all'))).toString(), 'got all')
  await relay.close()
  server.close()

  let request: Promise<Buffer> | undefined
  const first = await serveLoopback((socket) => {
    request = receiveAll(socket)
    socket.end('greeting')
  })
  const second = openLoopbackRelay({ serverPort: first.port })
  const client = await connectTo(second)
  t.equal((await receiveAll(client)).toString(), 'greeting')
  client.end('late')
  t.equal((await request)?.toString(), 'late')
  await second.close()
  first.close()
})

t.test('RST is mirrored both ways; a refused server resets the client', async (t) => {
  let onServer: ((socket: net.Socket) => void) | undefined
  const server = await serveLoopback((socket) => {
    socket.resume()
    onServer?.(socket)
  })
  const relay = openLoopbackRelay({ serverPort: server.port })
  const failure = async (socket: net.Socket): Promise<string | undefined> => {
    const [error] = (await once(socket, 'error')) as [NodeJS.ErrnoException]
    return error.code
  }

  onServer = (socket) => socket.once('data', () => socket.resetAndDestroy())
  const client = await connectTo(relay)
  client.resume().write('request')
  await t.rejects(once(client, 'end'), { code: 'ECONNRESET' })

  const broken = new Promise<string | undefined>((resolve) => {
    onServer = (socket) => {
      void failure(socket).then(resolve)
      socket.write('hello')
    }
  })
  const other = await connectTo(relay)
  await once(other, 'data')
  other.resetAndDestroy()
  t.equal(await broken, 'ECONNRESET')
  server.close()

  const refused = await connectTo(relay)
  refused.resume()
  await t.rejects(once(refused, 'end'), { code: 'ECONNRESET' })
  await waitFor(() => relay.listener.counters.active === 0, { what: 'the relays to end' })
  t.match(Object.fromEntries(relay.listener.counters.details), { 'CONNECT_FAILED/ECONNREFUSED': 1 })
  await relay.close()
})

t.test('random ends of random connections leave nothing behind', async (t) => {
  const endings = [
    (socket: net.Socket) => socket.resetAndDestroy(),
    (socket: net.Socket) => socket.destroy(),
    (socket: net.Socket) => socket.end(),
    (socket: net.Socket) => socket.end(randomBytes(300_000)),
  ]
  const endSomehow = (socket: net.Socket): void => {
    endings[Math.floor(Math.random() * endings.length)]?.(socket)
  }
  const server = await serveLoopback((socket) => {
    socket.on('end', () => socket.end())
    if (Math.random() < 0.7) socket.resume()
    if (Math.random() < 0.5) socket.write(randomBytes(Math.floor(Math.random() * 500_000)))
    setTimeout(() => endSomehow(socket), Math.random() * 30)
    setTimeout(() => socket.destroy(), 300) // one that never reads would never end
  })
  const relay = openLoopbackRelay({ serverPort: server.port, limits: { hangupMs: 200 } })
  const before = openDescriptors()
  const one = async (): Promise<void> => {
    const client = await connectTo(relay)
    const closed = new Promise((resolve) => client.once('close', resolve))
    client.on('error', () => undefined)
    client.on('end', () => client.end())
    if (Math.random() < 0.7) client.resume()
    if (Math.random() < 0.5) client.write(randomBytes(Math.floor(Math.random() * 500_000)))
    setTimeout(() => endSomehow(client), Math.random() * 30)
    setTimeout(() => client.destroy(), 300)
    await closed
  }
  for (let round = 0; round < 10; round++) await Promise.all(Array.from({ length: 30 }, one))
  await waitFor(() => openDescriptors() <= before, { what: 'the descriptors to be closed' })
  const { active, total, closed } = relay.listener.counters
  t.equal(active, 0)
  t.equal(total, 300)
  t.equal(
    [...closed.values()].reduce((sum, n) => sum + n, 0),
    300,
  )
  t.comment(Object.fromEntries(closed))
  await relay.close()
  server.close()
})
