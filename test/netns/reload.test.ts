// Programs are replaced 100 times while connections hammer: none slips through unjudged.
import { setTimeout as sleep } from 'node:timers/promises'
import t from 'tap'
import { inForce, startCluster } from '../helpers/cluster.ts'
import { startHttpServer } from '../helpers/http-server.ts'
import { type Namespace } from '../helpers/namespace.ts'
import { fromPods, networkPolicy, onHttp } from '../helpers/network-policy.ts'
import { addressesOf } from '../helpers/node-namespace.ts'
import { canRunPrivileged } from '../helpers/privileges.ts'
import { RawHttpClient } from '../helpers/raw-http.ts'
import { dial } from '../helpers/tcp.ts'

const RELOADS = 100
/** A SYN that is dropped now may be let through by its retransmission: it is sent again after one second. */
const SYN_LIFE_MS = 1_500
const AT_ONCE = 8

if (canRunPrivileged(t)) {
  t.test('reload', async (t) => {
    const { pods, weir, endpoints } = await startCluster(t, {
      pods: ['client', 'other', 'server'],
      policies: {
        'server.yaml': networkPolicy('server', {
          ingress: [{ ...fromPods('client'), ...onHttp(80, { path: '/public' }) }],
        }),
      },
    })
    const { client, other, server } = pods
    const web = await startHttpServer(server)
    t.teardown(() => web.close())
    let isOver = false
    const statuses = new Map<number, number>()
    const slipped: string[] = []
    let attempts = 0

    const judge = async (host: string): Promise<void> => {
      while (!isOver) {
        const http = await RawHttpClient.open(client, { host, port: 80 })
        http.get('/secret')
        const { status } = await http.response()
        statuses.set(status, (statuses.get(status) ?? 0) + 1)
        http.close()
      }
    }
    const knock = async (from: Namespace, host: string): Promise<void> => {
      while (!isOver) {
        attempts++
        const connection = dial(from, { host, port: 80 })
        connection.once('connect', () => slipped.push(host))
        connection.on('error', () => undefined)
        await sleep(SYN_LIFE_MS / 10)
        if (attempts % 10 !== 0) connection.destroy()
        else setTimeout(() => connection.destroy(), SYN_LIFE_MS).unref()
      }
    }
    const hammers = addressesOf(server).flatMap((host) => [
      judge(host),
      ...Array.from({ length: AT_ONCE }, () => knock(other, host)),
    ])

    const started = performance.now()
    for (let i = 0; i < RELOADS; i++) {
      // Programs are loaded anew for each endpoint that changes, and take the place of those before.
      const changed = endpoints.map((endpoint) => ({
        ...endpoint,
        labels: { ...endpoint.labels, reload: String(i) },
      }))
      await inForce(weir, () => weir.writeEndpoints(changed))
    }
    const seconds = ((performance.now() - started) / 1000).toFixed(1)
    isOver = true
    await Promise.all(hammers)

    t.strictSame(slipped, [], `of ${attempts} connections that no rule admits`)
    t.strictSame([...statuses.keys()], [403], `of ${statuses.get(403) ?? 0} requests that no rule admits`)
    t.ok((statuses.get(403) ?? 0) > RELOADS)
    t.equal(web.requests.length, 0, 'nothing reached the server')
    t.comment(`${RELOADS} reloads of ${endpoints.length} endpoints in ${seconds} s`)
  })
}
