import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { readFile } from 'node:fs/promises'
import net from 'node:net'
import { createInterface } from 'node:readline'
import { setTimeout as sleep } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { Worker } from 'node:worker_threads'
import t from 'tap'
import { connectTo, openDescriptors, openLoopbackRelay, serveLoopback } from '../helpers/loopback-relay.ts'
import { waitFor } from '../helpers/wait.ts'

/** What few-descriptors.ts prints. */
interface Counters {
  readonly active: number
  readonly accept: { readonly acceptExhausted: number }
}

/** How late timers of 10 ms come, sorted, in ms. */
async function timerLateness(): Promise<number[]> {
  const late: number[] = []
  for (let i = 0; i < 40; i++) {
    const dueMs = performance.now() + 10
    await sleep(10)
    late.push(performance.now() - dueMs)
  }
  return late.sort((a, b) => a - b)
}

// The loop sleeps at most 20 ms and works at most 5 ms in a row. Only the median is judged: the tail belongs to
// whatever else runs on the machine.
t.test('timers and files of Node are served while the loop is idle, and while it is busy', async (t) => {
  // Before there is a relay: what the machine itself adds.
  const limitMs = 30 + 4 * ((await timerLateness())[20] ?? 0)
  const server = await serveLoopback((socket) => socket.pipe(socket))
  const relay = openLoopbackRelay({ serverPort: server.port })
  const idle = await timerLateness()
  t.ok(
    (idle[20] ?? Infinity) <= limitMs,
    `idle: median ${idle[20]?.toFixed(1)} ms late, maximum ${idle[39]?.toFixed(1)}`,
  )

  // The load comes from another process, or its own work in this one would be what is measured.
  const load = spawn(process.execPath, [
    '-e',
    `const net = require('node:net')
     for (let i = 0; i < 16; i++) {
       const socket = net.connect(${relay.port}, '127.0.0.1', () => socket.write('x'))
       socket.on('data', (data) => socket.write(data))
       socket.on('error', () => undefined)
     }`,
  ])
  await waitFor(() => relay.listener.counters.active === 16, { what: 'the load' })
  const busy = await timerLateness()
  t.ok(
    (busy[20] ?? Infinity) <= limitMs,
    `busy: median ${busy[20]?.toFixed(1)} ms late, maximum ${busy[39]?.toFixed(1)}`,
  )
  const readMs: number[] = []
  for (let i = 0; i < 20; i++) {
    const startedMs = performance.now()
    await readFile(fileURLToPath(import.meta.url))
    readMs.push(performance.now() - startedMs)
  }
  readMs.sort((a, b) => a - b)
  t.ok((readMs[10] ?? Infinity) < 2 * limitMs, `busy: reading a file takes ${readMs[10]?.toFixed(1)} ms`)
  load.kill()
  await once(load, 'exit')
  await relay.close()
  server.close()
})

t.test('an idle loop sleeps', async (t) => {
  const relay = openLoopbackRelay({ serverPort: 1 })
  const before = process.cpuUsage()
  await sleep(1000)
  const used = process.cpuUsage(before)
  t.ok(used.user + used.system < 200_000, `${used.user + used.system} us of CPU in a second`)
  await relay.close()
})

t.test('a fault in a handler is raised, and costs other sockets nothing', async (t) => {
  const server = await serveLoopback((socket) => socket.pipe(socket))
  const relay = openLoopbackRelay({ serverPort: server.port })
  const client = await connectTo(relay)
  const stop = relay.network.onTick(() => {
    stop()
    const [pair] = relay.listener.relays
    pair?.downstream.setHandler({
      onConnect: () => undefined,
      onData() {
        throw new Error('a bug of ours')
      },
      onEnd: () => undefined,
      onDrain: () => undefined,
      onHangup: () => undefined,
      onError: () => undefined,
    })
    client.write('into the bug')
  })
  const [error] = (await once(process, 'uncaughtException')) as [Error]
  t.match(error, { message: 'a bug of ours' })
  const other = await connectTo(relay)
  other.write('still alive')
  t.equal(String((await once(other, 'data'))[0]), 'still alive')
  client.destroy()
  other.destroy()
  await relay.close()
  server.close()
})

t.test('closing gives all descriptors back', async (t) => {
  const before = openDescriptors()
  for (let i = 0; i < 10; i++) await openLoopbackRelay({ serverPort: 1 }).close()
  t.equal(openDescriptors(), before)
})

t.test('a worker thread is refused', async (t) => {
  const module = new URL('../../src/proxy/io/event-loop.js', import.meta.url).href
  const worker = new Worker(
    `import(${JSON.stringify(module)}).then(({ EventLoop }) => {
       try { new EventLoop() } catch (error) { require('node:worker_threads').parentPort.postMessage(error.code) }
     })`,
    { eval: true },
  )
  const [code] = (await once(worker, 'message')) as [string]
  t.equal(code, 'KERNEL_UNSUPPORTED')
  await worker.terminate()
})

t.test('running out of descriptors is counted, and over when some are free again', async (t) => {
  const server = await serveLoopback((socket) => socket.pipe(socket))
  const program = fileURLToPath(new URL('../helpers/few-descriptors.js', import.meta.url))
  const child = spawn('sh', [
    '-c',
    'ulimit -n 60; exec "$0" "$@"',
    process.execPath,
    program,
    `${server.port}`,
  ])
  child.stderr.pipe(process.stderr)
  const output = createInterface({ input: child.stdout })[Symbol.asyncIterator]()
  const port = Number((await output.next()).value)
  const counters = async (): Promise<Counters> => {
    child.stdin.write('\n')
    return JSON.parse(String((await output.next()).value)) as Counters
  }
  const clients = Array.from({ length: 60 }, () => {
    const socket = net.connect({ port, host: '127.0.0.1' })
    socket.on('error', () => undefined)
    return socket
  })
  await waitFor(async () => (await counters()).accept.acceptExhausted > 0, { what: 'descriptors to run out' })
  for (const client of clients) client.destroy()
  await waitFor(async () => (await counters()).active === 0, { what: 'the clients to be gone' })
  const late = net.connect({ port, host: '127.0.0.1' })
  late.write('served again')
  t.equal(String((await once(late, 'data'))[0]), 'served again')
  late.destroy()
  child.stdin.end()
  await once(child, 'exit')
  server.close()
})
