// The access log of a running Weir: every field, and rotation under load without a line lost or cut.
import { existsSync, readFileSync, renameSync } from 'node:fs'
import { join } from 'node:path'
import t, { type Test } from 'tap'
import { type Flow } from '../../src/lib/flow.ts'
import { type Cluster, startCluster } from '../helpers/cluster.ts'
import { startHttpServer } from '../helpers/http-server.ts'
import { fromPods, networkPolicy, onHttp } from '../helpers/network-policy.ts'
import { canRunPrivileged } from '../helpers/privileges.ts'
import { RawHttpClient } from '../helpers/raw-http.ts'
import { waitFor } from '../helpers/wait.ts'
import { statusOf } from '../helpers/observed.ts'

const WEB = 80
const CONNECTIONS = 8
const ROTATIONS = 5
/** Between rotations, at least. */
const REQUESTS = 400

if (canRunPrivileged(t)) {
  t.test('SIGHUP to `weir run` rotates the logs of its workers', async (t) => {
    const cluster = await start(t)
    const { weir, node } = cluster
    const path = join(node.workDir, 'access.log')
    const load = await Load.start(cluster)
    for (let n = 1; n <= ROTATIONS; n++) {
      await load.requests(REQUESTS)
      renameSync(path, `${path}.${n}`)
      weir.process.kill('SIGHUP')
      await waitFor(() => existsSync(path), { what: 'a new file' })
    }
    await load.requests(REQUESTS)
    await checkComplete(t, [1, 2, 3, 4, 5].map((n) => `${path}.${n}`).concat(path), await load.stop())
    t.equal(new Set(linesOf([path]).map((flow) => flow.l4.TCP?.source_port)).size, CONNECTIONS)
    const workers = await waitFor(
      async () => {
        const { workers } = await statusOf(weir)
        return workers.length === 2 ? workers : undefined
      },
      { what: 'both workers' },
    )
    for (const { errors } of workers) t.strictSame(errors, {}, 'nothing was lost')
    t.equal(weir.log.filter(({ msg }) => msg === 'worker started').length, 2, 'the same workers all the time')
  })

  t.test('SIGHUP while workers start: all of them write to the new file', async (t) => {
    const cluster = await start(t)
    const { weir, node } = cluster
    const path = join(node.workDir, 'access.log')
    const started = weir.log.filter(({ msg }) => msg === 'worker started').length
    const isRestarted = (): boolean =>
      weir.log.filter(({ msg }) => msg === 'worker started').length >= started + 2
    await weir.kill9('proxy')
    await waitFor(isRestarted, { what: 'two new workers' })
    renameSync(path, `${path}.1`)
    for (let i = 0; i < 20; i++) {
      weir.process.kill('SIGHUP')
      await new Promise(setImmediate)
    }
    const isReady = async (): Promise<boolean> => {
      const { workers } = await statusOf(weir)
      return workers.length === 2 && workers.every(({ revision }) => revision > 0)
    }
    await waitFor(isReady, { what: 'both to be ready' })
    const load = await Load.start(cluster)
    await load.requests(REQUESTS)
    await checkComplete(t, [path], await load.stop())
    t.notOk(weir.logText().includes('"reason":"SIGHUP"'), 'no worker died of it')
  })
}

function start(t: Test): Promise<Cluster<'client' | 'server'>> {
  return startCluster(t, {
    pods: ['client', 'server'],
    policies: {
      'server.yaml': networkPolicy('server', {
        ingress: [{ ...fromPods('client'), ...onHttp(WEB, { path: '/ok/.*' }) }],
      }),
    },
    args: ({ workDir }) => ['--workers', '2', '--access-log', join(workDir, 'access.log')],
  }).then(async (cluster) => {
    const site = await startHttpServer(cluster.pods.server, { port: WEB })
    t.teardown(() => site.close())
    return cluster
  })
}

/** Requests with numbers, each sent once and answered, every third one denied. */
class Load {
  readonly #sent: string[] = []
  #answered = 0
  /** Connections without an answer since `requests` was called. */
  #waiting = new Set<number>()
  #isStopped = false
  #runs: Promise<void>[] = []

  static async start({ pods }: Cluster<'client' | 'server'>): Promise<Load> {
    const load = new Load()
    const hosts = [pods.server.v4, pods.server.v6]
    for (let i = 0; i < CONNECTIONS; i++) {
      const client = await RawHttpClient.open(pods.client, { host: hosts[i % 2]!, port: WEB })
      load.#runs.push(load.#run(client, i))
    }
    return load
  }

  async #run(client: RawHttpClient, number: number): Promise<void> {
    while (!this.#isStopped) {
      const path = `/${this.#sent.length % 3 === 0 ? 'no' : 'ok'}/${this.#sent.length}`
      this.#sent.push(path)
      client.get(path)
      await client.response()
      this.#answered++
      this.#waiting.delete(number)
    }
    client.close()
  }

  /** At least one of them on each connection. */
  async requests(count: number): Promise<void> {
    const wanted = this.#answered + count
    this.#waiting = new Set(this.#runs.keys())
    const isDone = (): boolean => this.#answered >= wanted && this.#waiting.size === 0
    await waitFor(isDone, { what: `${count} answers` })
  }

  /** @returns the paths that were sent, each once */
  async stop(): Promise<readonly string[]> {
    this.#isStopped = true
    await Promise.all(this.#runs)
    return this.#sent
  }
}

const linesOf = (files: readonly string[]): Flow[] =>
  files.flatMap((file) =>
    readFileSync(file, 'utf8')
      .split(/(?<=\n)/)
      .map((line) => JSON.parse(line) as Flow),
  )

async function checkComplete(t: Test, files: readonly string[], sent: readonly string[]): Promise<void> {
  await waitFor(() => linesOf(files).length >= sent.length, { what: 'all records' })
  for (const file of files) {
    t.ok(linesOf([file]).length > 0, `${file} has lines`)
    t.match(readFileSync(file, 'utf8'), /\n$/)
  }
  const logged = linesOf(files).map((flow) => flow.l7!.http!.url.replace('http://server', ''))
  t.strictSame(logged.sort(), [...sent].sort(), 'each request once')
}
