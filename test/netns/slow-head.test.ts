// Clients that never finish a request head, through the real datapath, with a shorter limit than the real one.
import t from 'tap'
import { startCluster } from '../helpers/cluster.ts'
import { startHttpServer } from '../helpers/http-server.ts'
import { fromPods, networkPolicy, onHttp } from '../helpers/network-policy.ts'
import { addressesOf } from '../helpers/node-namespace.ts'
import { Observer } from '../helpers/observed.ts'
import { canRunPrivileged } from '../helpers/privileges.ts'
import { RawHttpClient } from '../helpers/raw-http.ts'
import { SHORT_HEAD_TIMEOUT_MS, WITH_SHORT_HEAD_TIMEOUT } from '../helpers/short-head-timeout.ts'

const WEB = 80
const DRIP_MS = 50

if (canRunPrivileged(t)) {
  t.test('a head that drips in gets 408; nothing else has a deadline', async (t) => {
    const { pods, weir } = await startCluster(t, {
      pods: ['client', 'server'],
      policies: {
        'server.yaml': networkPolicy('server', {
          ingress: [{ ...fromPods('client'), ...onHttp(WEB, { path: '/ok.*' }) }],
        }),
      },
      executable: WITH_SHORT_HEAD_TIMEOUT,
    })
    const { client, server } = pods
    const web = await startHttpServer(server, { port: WEB })
    t.teardown(() => web.close())
    const observer = new Observer(weir)
    for (const host of addressesOf(server)) {
      t.test(host, async (t) => {
        const [dripping, idle, slowBody] = await Promise.all(
          Array.from({ length: 3 }, () => RawHttpClient.open(client, { host, port: WEB })),
        )
        if (dripping === undefined || idle === undefined || slowBody === undefined)
          throw new Error('unreachable')
        t.teardown(() => [dripping, idle, slowBody].forEach((one) => one.close()))
        for (const one of [dripping, idle]) {
          one.get('/ok/before')
          t.match(await one.response(), { status: 200 })
        }
        slowBody.socket.write('POST /ok/body HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\n\r\na')

        const start = performance.now()
        dripping.socket.write('GET /ok/drip HTTP/1.1\r\nX-Slow: ')
        const drip = setInterval(() => dripping.socket.write('a'), DRIP_MS)
        const answer = await dripping.response().finally(() => clearInterval(drip))
        t.match(answer, { status: 408, head: /connection: close/i })
        t.ok(performance.now() - start >= SHORT_HEAD_TIMEOUT_MS, 'not before its time')
        t.equal(await dripping.ended, 'end')
        const fromPort = dripping.socket.localPort
        if (fromPort === undefined) throw new Error('the socket has no port')
        const record = await observer.record({ fromPort, reason: 'HTTP_HEAD_TIMEOUT' })
        t.equal(record.verdict, 'DROPPED')

        slowBody.socket.write('b')
        t.match(await slowBody.response(), { status: 200 }, 'a body takes as long as it likes')
        idle.get('/ok/after')
        t.match(await idle.response(), { status: 200 }, 'and so does the next request')
        t.notOk(
          weir.log.some(({ level }) => level >= 50),
          'no fault of ours',
        )
        t.notOk(
          web.requests.some(({ path }) => path.startsWith('/ok/drip')),
          'the server saw nothing of it',
        )
      })
    }
  })
}
