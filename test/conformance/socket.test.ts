// One table of cases for the kernel's sockets and for their in-memory twin: what passes on one must on both.
import { once } from 'node:events'
import net from 'node:net'
import t from 'tap'
import { parseAddress } from '../../src/lib/address.ts'
import { MemoryNetwork } from '../../src/proxy/io/memory-network.ts'
import { TcpNetwork } from '../../src/proxy/io/tcp-network.ts'
import type { Socket } from '../../src/proxy/io/types.ts'
import { Recorder } from '../helpers/recorder.ts'
import { waitFor } from '../helpers/wait.ts'

/** The other end of the connection, and time. */
interface FarEnd {
  send(text: string): Promise<void>
  end(): Promise<void>
  reset(): Promise<void>
  received(): string
  hasFin(): boolean
  hasReset(): boolean
  /** Let the other end take everything from now on. */
  startReading(): void
}

interface Pair {
  readonly near: Socket
  readonly recorder: Recorder
  readonly far: FarEnd
}

interface Bench {
  readonly name: string
  /** The near end has dialled. `isReading`: the far end takes what is sent. */
  connect(options?: { isReading?: boolean; whileConnecting?: (near: Socket) => void }): Promise<Pair>
  refuse(): Promise<{ near: Socket; recorder: Recorder }>
  /** Let everything happen until `condition`. */
  until(condition: () => boolean, what: string): Promise<void>
  /** Let everything happen that can, to show that nothing more does. */
  settle(): Promise<void>
  close(): void
}

const LOOPBACK = parseAddress('127.0.0.1')
const dialTo = (port: number) =>
  ({ source: null, destination: LOOPBACK, destinationPort: port, mark: 0, isTransparent: false }) as const

function memoryBench(): Bench {
  const network = new MemoryNetwork()
  return {
    name: 'memory',
    async connect({ isReading = true, whileConnecting } = {}) {
      const near = network.dial(dialTo(80))
      const recorder = new Recorder(near)
      whileConnecting?.(near)
      near.peer.window = isReading ? Number.POSITIVE_INFINITY : 100_000
      near.peer.accept()
      network.run()
      const { peer } = near
      const far: FarEnd = {
        send: async (text) => peer.send(text),
        end: async () => peer.end(),
        reset: async () => peer.reset(),
        received: () => peer.received.toString(),
        hasFin: () => peer.hasFin,
        hasReset: () => peer.hasReset,
        startReading() {
          peer.window = Number.POSITIVE_INFINITY
          peer.read()
        },
      }
      return { near, recorder, far }
    },
    async refuse() {
      const near = network.dial(dialTo(80))
      const recorder = new Recorder(near)
      near.peer.reset('ECONNREFUSED')
      return { near, recorder }
    },
    async until(condition, what) {
      network.run()
      if (!condition()) throw new Error(`never: ${what}`)
    },
    settle: async () => network.run(),
    close: () => undefined,
  }
}

async function tcpBench(): Promise<Bench> {
  const network = new TcpNetwork()
  const server = net.createServer({ allowHalfOpen: true, pauseOnConnect: true }).listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address() as net.AddressInfo
  const sockets: net.Socket[] = []
  return {
    name: 'tcp',
    async connect({ isReading = true, whileConnecting } = {}) {
      const near = network.dial(dialTo(port))
      const recorder = new Recorder(near)
      whileConnecting?.(near)
      const [socket] = (await once(server, 'connection')) as [net.Socket]
      sockets.push(socket)
      let received = ''
      let hasFin = false
      let hasReset = false
      socket.on('end', () => (hasFin = true))
      socket.on('error', (error: NodeJS.ErrnoException) => (hasReset = error.code === 'ECONNRESET'))
      const startReading = (): void => {
        socket.on('data', (chunk: Buffer) => (received += chunk.toString()))
        socket.resume()
      }
      if (isReading) startReading()
      await waitFor(() => recorder.has('connect'), { what: 'the connection' })
      const far: FarEnd = {
        send: (text) => new Promise((resolve) => void socket.write(text, () => resolve())),
        end: () => new Promise((resolve) => void socket.end(() => resolve())),
        async reset() {
          socket.resetAndDestroy()
        },
        received: () => received,
        hasFin: () => hasFin,
        hasReset: () => hasReset,
        startReading,
      }
      return { near, recorder, far }
    },
    async refuse() {
      const closed = net.createServer().listen(0, '127.0.0.1')
      await once(closed, 'listening')
      const { port: closedPort } = closed.address() as net.AddressInfo
      closed.close()
      await once(closed, 'close')
      const near = network.dial(dialTo(closedPort))
      return { near, recorder: new Recorder(near) }
    },
    until: (condition, what) => waitFor(condition, { what }).then(() => undefined),
    // Loopback is done within the call; two rounds of both loops deliver it.
    settle: () => new Promise((resolve) => setTimeout(resolve, 50)),
    close() {
      for (const socket of sockets) socket.destroy()
      server.close()
      network.close()
    },
  }
}

type Assertions = Pick<typeof t, 'equal' | 'same' | 'ok' | 'notOk'>

const CASES: Record<string, (t: Assertions, bench: Bench) => Promise<void>> = {
  async 'bytes, then FIN'(t, bench) {
    const { near, recorder, far } = await bench.connect()
    await far.send('hello')
    await far.end()
    await bench.until(() => recorder.has('end'), 'the FIN')
    t.same(recorder.events, ['connect', 'data', 'end'])
    t.equal(recorder.received.toString(), 'hello')
    t.ok(near.isEnded)
    t.notOk(near.isClosed, 'our side is still open')
    near.write(Buffer.from('world'), 0, 5)
    near.shutdown()
    await bench.until(() => far.hasFin(), 'our FIN')
    t.equal(far.received(), 'world')
    t.ok(near.isShutdown)
    near.close()
  },

  async 'pause holds bytes and FIN back, resume gives them'(t, bench) {
    const { near, recorder, far } = await bench.connect()
    near.pause()
    await far.send('hello')
    await far.end()
    await bench.settle()
    t.same(recorder.events, ['connect'])
    near.resume()
    t.same(recorder.events, ['connect'], 'not within the call')
    await bench.until(() => recorder.has('end'), 'the FIN')
    t.same(recorder.events, ['connect', 'data', 'end'])
    near.close()
  },

  async 'pause from within onData takes effect at once'(t, bench) {
    const { near, recorder, far } = await bench.connect()
    recorder.onReceived = () => near.pause()
    await far.send('one')
    await far.end()
    await bench.until(() => recorder.has('data'), 'the first bytes')
    await bench.settle()
    t.notOk(recorder.has('end'))
    near.resume()
    await bench.until(() => recorder.has('end'), 'the FIN')
    near.close()
  },

  async 'what is written while connecting is sent, FIN behind it'(t, bench) {
    const { near, recorder, far } = await bench.connect({
      whileConnecting(near) {
        t.notOk(near.write(Buffer.from('early'), 0, 5))
        t.equal(near.queuedBytes, 5)
        t.ok(near.isConnecting)
        near.shutdown()
        t.notOk(near.isShutdown)
        near.write(Buffer.from('dropped'), 0, 7)
      },
    })
    await bench.until(() => far.hasFin(), 'our FIN')
    t.equal(far.received(), 'early')
    await bench.until(() => recorder.has('drain'), 'the queue to empty')
    t.same(recorder.events, ['connect', 'drain'])
    t.ok(near.isShutdown)
    near.close()
  },

  async 'a full window queues, and drains'(t, bench) {
    const { near, recorder, far } = await bench.connect({ isReading: false })
    const chunk = Buffer.alloc(1_000_000, 'x')
    let written = 0
    while (near.write(chunk, 0, chunk.length)) written += chunk.length
    written += chunk.length
    t.ok(near.queuedBytes > 0)
    near.shutdown()
    t.notOk(near.isShutdown)
    far.startReading()
    await bench.until(() => far.hasFin(), 'our FIN')
    t.equal(near.queuedBytes, 0)
    t.same(recorder.events, ['connect', 'drain'])
    t.ok(written > 0)
    near.close()
  },

  async 'RST is told once, behind the bytes before it'(t, bench) {
    const { near, recorder, far } = await bench.connect()
    await far.send('last')
    await bench.until(() => recorder.has('data'), 'the bytes')
    await far.reset()
    await bench.until(() => recorder.events.length > 2, 'the RST')
    await bench.settle()
    t.same(recorder.events, ['connect', 'data', 'error ECONNRESET'])
    t.ok(near.isClosed)
    t.equal(near.write(Buffer.from('x'), 0, 1), true, 'calls on a closed socket do nothing')
    near.resume()
    near.shutdown()
    near.abort()
  },

  async 'RST while paused: a hangup, and the bytes are still there'(t, bench) {
    const { near, recorder, far } = await bench.connect()
    near.pause()
    await far.send('last words')
    await bench.settle()
    await far.reset()
    await bench.until(() => recorder.has('hangup'), 'the hangup')
    t.same(recorder.events, ['connect', 'hangup'])
    near.resume()
    await bench.until(() => recorder.events.length === 4, 'the end')
    t.same(recorder.events, ['connect', 'hangup', 'data', 'error ECONNRESET'])
    t.equal(recorder.received.toString(), 'last words')
  },

  async 'RST after FIN'(t, bench) {
    const { recorder, far } = await bench.connect()
    await far.end()
    await bench.until(() => recorder.has('end'), 'the FIN')
    await far.reset()
    await bench.until(() => recorder.events.length > 2, 'the RST')
    // Linux calls it a broken pipe when FIN came before.
    t.ok(['error ECONNRESET', 'error EPIPE'].includes(recorder.events[2] ?? ''))
  },

  async 'abort is seen as RST and ends all events'(t, bench) {
    const { near, recorder, far } = await bench.connect()
    await far.send('unread')
    near.abort()
    await bench.until(() => far.hasReset(), 'the RST')
    t.ok(near.isClosed)
    t.same(
      recorder.events.filter((event) => event !== 'data'),
      ['connect'],
    )
  },

  async 'a refused dial'(t, bench) {
    const { near, recorder } = await bench.refuse()
    t.same(recorder.events, [], 'not within the call')
    await bench.until(() => near.isClosed, 'the refusal')
    t.same(recorder.events, ['error ECONNREFUSED'])
  },
}

for (const makeBench of [async () => memoryBench(), tcpBench]) {
  const bench = await makeBench()
  await t.test(bench.name, async (t) => {
    for (const [name, run] of Object.entries(CASES)) await t.test(name, (t) => run(t, bench))
    bench.close()
  })
}
