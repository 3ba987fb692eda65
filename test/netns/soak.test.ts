// 1,000 idle and 200 busy connections, either side breaking off at random: nothing leaks, nothing stalls.
import { mkdtempSync, readdirSync, rmSync } from 'node:fs'
import http from 'node:http'
import { type Socket } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import t from 'tap'
import { seededRandom } from '../conformance/http1/random.ts'
import { type Cluster, startCluster } from '../helpers/cluster.ts'
import { fromPods, networkPolicy, onHttp } from '../helpers/network-policy.ts'
import { heapEnvironment, liveHeapBytes } from '../helpers/live-heap.ts'
import { addressesOf } from '../helpers/node-namespace.ts'
import { statusOf } from '../helpers/observed.ts'
import { canRunPrivileged } from '../helpers/privileges.ts'
import { RawHttpClient } from '../helpers/raw-http.ts'
import { listenIn } from '../helpers/tcp.ts'
import { waitFor } from '../helpers/wait.ts'

const WEB = 80
const [IDLE, BUSY] = [1_000, 200] as const
const IDLE_BREAKS = 300
const SECONDS = Number(process.env['SOAK_SECONDS'] ?? 15)
const SEED = Number(process.env['SOAK_SEED'] ?? Date.now() % 1_000_000)
const WARM_UP_ANSWERS = 8_000
/** Of what is alive in the heap of a worker, after thousands of connections: caches and queues fill up. */
const MAX_GROWTH_BYTES = 4 * 1024 * 1024
const MAX_BODY_BYTES = 200_000

type Pods = 'client' | 'server'
/** How a side breaks off. */
const BREAKS = ['end', 'destroy', 'resetAndDestroy'] as const

t.setTimeout((SECONDS + 400) * 1_000)
if (canRunPrivileged(t)) {
  t.test('soak', { timeout: (SECONDS + 390) * 1_000 }, async (t) => {
    t.comment(`SOAK_SEED=${SEED}`)
    const directory = mkdtempSync(join(tmpdir(), 'weir-heap-'))
    t.teardown(() => rmSync(directory, { recursive: true, force: true }))
    const cluster = await startCluster(t, {
      pods: ['client', 'server'],
      policies: {
        'server.yaml': networkPolicy('server', {
          ingress: [{ ...fromPods('client'), ...onHttp(WEB, { path: '/ok/.*' }) }],
        }),
      },
      args: ({ workDir }) => ['--workers', '2', '--access-log', join(workDir, 'access.log')],
      env: heapEnvironment(directory),
    })
    const random = seededRandom(SEED)
    const server = await startServer(cluster, random)
    t.teardown(() => {
      server.close()
      server.closeAllConnections()
    })

    // Caches fill up, code is compiled, lists grow to what they need. It takes answers, not time.
    const warmUp = new Soak(cluster, random)
    const waiting = await warmUp.openIdle()
    const warming = warmUp.keepBusy()
    await waitFor(() => warmUp.answers > WARM_UP_ANSWERS, { what: 'caches to be full', timeoutMs: 120_000 })
    await warmUp.stop(warming)
    for (const client of waiting) client.close()
    await isQuiet(cluster)
    const [descriptors, heapBefore] = [openFiles(cluster), await liveHeaps(cluster, directory)]

    const soak = new Soak(cluster, random)
    const idle = await soak.openIdle()
    const busy = soak.keepBusy()
    // Also idle ones break, in turn by the client and by the server.
    const broken = new Set<RawHttpClient>()
    for (let i = 0; i < IDLE_BREAKS; i++) {
      const client = idle[Math.floor(random() * idle.length)]!
      if (i % 2 === 0) breakOff(client.socket, random)
      else client.get('/ok/break')
      broken.add(client)
      await sleep((SECONDS * 1_000) / IDLE_BREAKS)
    }
    await soak.stop(busy)
    t.comment(`${soak.connections} connections, ${soak.answers} answers, ${soak.breaks} broken off`)
    t.strictSame(soak.stalled, [], 'each request was answered, or its connection ended')
    t.strictSame(soak.wrong, [], 'rightly')
    t.ok(soak.connections > BUSY * 5 && soak.breaks > BUSY, 'there was something to survive')

    const survivors = idle.filter((client) => !broken.has(client))
    const statuses = await Promise.all(survivors.map((client) => soak.ask(client, '/ok/0')))
    t.equal(statuses.filter((status) => status === 200).length, survivors.length, 'idle ones still work')

    for (const client of idle) client.close()
    await isQuiet(cluster)
    t.ok(openFiles(cluster) <= descriptors, 'no descriptor is left')
    const heapAfter = await liveHeaps(cluster, directory)
    const growth = heapAfter.map((bytes, i) => bytes - heapBefore[i]!)
    t.comment(`live heap before ${heapBefore.join()}, grown by ${growth.join()}`)
    for (const bytes of growth) t.ok(bytes < MAX_GROWTH_BYTES, `${bytes} bytes are left`)
    const started = cluster.weir.log.filter(({ msg }) => msg === 'worker started')
    t.equal(started.length, 2, 'the same workers all the time')
  })
}

class Soak {
  connections = 0
  answers = 0
  breaks = 0
  readonly stalled: string[] = []
  readonly wrong: string[] = []
  readonly #cluster: Cluster<Pods>
  readonly #random: () => number
  #isStopped = false

  constructor(cluster: Cluster<Pods>, random: () => number) {
    this.#cluster = cluster
    this.#random = random
  }

  async stop(busy: Promise<unknown>): Promise<void> {
    this.#isStopped = true
    await busy
  }

  /** Each has carried a request. */
  async openIdle(): Promise<RawHttpClient[]> {
    const idle: RawHttpClient[] = []
    while (idle.length < IDLE) {
      const some = await Promise.all(Array.from({ length: 50 }, () => this.#open()))
      const statuses = await Promise.all(some.map((client) => this.ask(client, '/ok/0')))
      if (statuses.some((status) => status !== 200)) throw new Error(`idle ones got ${statuses.join()}`)
      idle.push(...some)
    }
    return idle
  }

  /** Until `stop`. */
  keepBusy(): Promise<unknown> {
    return Promise.all(Array.from({ length: BUSY }, () => this.#keepOneBusy()))
  }

  /** One connection after the other. */
  async #keepOneBusy(): Promise<void> {
    while (!this.#isStopped) {
      const client = await this.#open()
      await this.#converse(client)
      client.close()
    }
  }

  /** Requests of all kinds, until somebody breaks off. */
  async #converse(client: RawHttpClient): Promise<void> {
    while (!this.#isStopped) {
      const path = this.#path()
      if (this.#random() < 0.1) {
        this.#send(client, path)
        await sleep(this.#random() * 5)
        breakOff(client.socket, this.#random)
        this.breaks++
        return
      }
      const status = await this.ask(client, path)
      if (status === 0) {
        this.breaks++
        return
      }
      if (status !== (path.startsWith('/no') ? 403 : 200)) this.wrong.push(`${path}: ${status}`)
    }
  }

  /** @returns the status; 0 when the connection ended instead */
  async ask(client: RawHttpClient, path: string): Promise<number> {
    this.#send(client, path)
    try {
      const { status } = await client.response()
      this.answers++
      return status
    } catch (error) {
      if (!/before/.test(String(error))) this.stalled.push(`${path}: ${String(error)}`)
      return 0
    }
  }

  #open(): Promise<RawHttpClient> {
    const { client, server } = this.#cluster.pods
    const host = addressesOf(server)[this.connections++ % 2]!
    return RawHttpClient.open(client, { host, port: WEB })
  }

  #path(): string {
    const dice = this.#random()
    if (dice < 0.2) return '/no/thing'
    if (dice < 0.25) return '/ok/break'
    return `/ok/${Math.floor(this.#random() ** 4 * MAX_BODY_BYTES)}`
  }

  #send({ socket }: RawHttpClient, path: string): void {
    const dice = this.#random()
    if (dice < 0.6) socket.write(`GET ${path} HTTP/1.1\r\nHost: x\r\n\r\n`)
    else if (dice < 0.8) {
      const body = 'x'.repeat(Math.floor(this.#random() ** 4 * MAX_BODY_BYTES))
      socket.write(`POST ${path} HTTP/1.1\r\nHost: x\r\nContent-Length: ${body.length}\r\n\r\n${body}`)
    } else {
      const head = `POST ${path} HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n`
      socket.write(`${head}5\r\nabcde\r\n`)
      socket.write('0\r\n\r\n')
    }
  }
}

function breakOff(socket: Socket, random: () => number): void {
  socket[BREAKS[Math.floor(random() * BREAKS.length)]!]()
}

/** `/ok/N`: N bytes. `/ok/break`: the connection breaks, before or within the answer. */
function startServer({ pods }: Cluster<Pods>, random: () => number): Promise<http.Server> {
  const body = Buffer.alloc(MAX_BODY_BYTES, 'weir')
  const server = http.createServer({ keepAliveTimeout: 600_000 }, (request, response) => {
    request.on('error', () => undefined)
    request.resume()
    const length = Number(request.url!.slice('/ok/'.length))
    if (Number.isNaN(length)) {
      if (random() < 0.5)
        response.writeHead(200, { 'content-length': MAX_BODY_BYTES }).write(body.subarray(1000))
      breakOff(request.socket, random)
    } else request.on('end', () => response.end(body.subarray(0, length)))
  })
  return listenIn(pods.server, server, WEB)
}

function workersOf({ weir }: Cluster<Pods>): number[] {
  return weir.processes().flatMap(({ pid, command }) => (command === 'proxy' ? [pid] : []))
}

function openFiles(cluster: Cluster<Pods>): number {
  return workersOf(cluster).reduce((total, pid) => total + readdirSync(`/proc/${pid}/fd`).length, 0)
}

async function liveHeaps(cluster: Cluster<Pods>, directory: string): Promise<number[]> {
  const heaps: number[] = []
  for (const pid of workersOf(cluster)) heaps.push(await liveHeapBytes(pid, directory))
  return heaps
}

/** Resolves when no connection is left. */
async function isQuiet({ weir }: Cluster<Pods>): Promise<void> {
  const isDone = async (): Promise<boolean> => {
    const { workers } = await statusOf(weir)
    return workers.every(({ connectionsActive }) => connectionsActive === 0)
  }
  await waitFor(isDone, { what: 'the workers to count no connection' })
}
