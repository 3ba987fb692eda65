// No packet before policy: containers that talk in their first millisecond.
import t from 'tap'
import { echoDatagrams, hearsEcho } from '../../helpers/datagram.ts'
import { DockerEngine, IMAGE } from '../../helpers/docker-engine.ts'
import { startWeir } from '../../helpers/docker-weir.ts'
import { networkPolicy, toPods } from '../../helpers/network-policy.ts'
import { NodeNamespace } from '../../helpers/node-namespace.ts'
import { dropsOf, sum } from '../../helpers/observed.ts'
import { canRunPrivileged } from '../../helpers/privileges.ts'
import { listenAndEcho } from '../../helpers/tcp.ts'
import { waitFor } from '../../helpers/wait.ts'
import { type WeirProcess } from '../../helpers/weir-process.ts'

const TCP_PORT = 8080
/** Of DNS: nslookup is what busybox has to send a datagram. */
const UDP_PORT = 53
const STARTS = 50
const AT_ONCE = 5
/** The server is open to all: what keeps the caged from it is their own policy, which has to be there before them. */
const POLICIES = { 'caged.yaml': networkPolicy('caged', { egress: [toPods('nobody')] }) }

if (canRunPrivileged(t)) {
  t.test('first packets', async (t) => {
    const node = NodeNamespace.forTest(t)
    const engine = await DockerEngine.start(t, node)
    const server = await engine.run('server', { labels: { app: 'server' } })
    const { v4 } = await engine.addressesOf('server')
    const weir = await startWeir(t, engine, { policies: POLICIES })
    const echo = await listenAndEcho(server, TCP_PORT)
    let datagrams = 0
    const inbox = echoDatagrams(server, UDP_PORT).on('message', () => datagrams++)
    t.teardown(() => {
      echo.close()
      inbox.close()
    })
    /** At once a datagram, which needs no answer to have slipped through, and a connection. */
    const greet = (app: string, seconds: number): Promise<string> => {
      const script = `nslookup x. ${v4} & echo x | nc -w ${seconds} ${v4} ${TCP_PORT}`
      return engine.docker('run', '--rm', '--label', `app=${app}`, IMAGE, 'sh', '-c', script).catch(String)
    }

    t.test('those that may talk do', async (t) => {
      await greet('friend', 10)
      await waitFor(() => echo.connections.length > 0, { what: 'the connection of a friend' })
      const friend = await engine.run('friend', { labels: { app: 'friend' } })
      await waitFor(() => hearsEcho(friend, { host: v4, port: UDP_PORT }, 500), {
        what: 'an answer',
        timeoutMs: 20_000,
      })
      t.ok(datagrams > 0)
    })

    t.test(`${STARTS} that may not: nothing slips through`, async (t) => {
      const before = echo.connections.length + datagrams
      for (let i = 0; i < STARTS; i += AT_ONCE) {
        await Promise.all(Array.from({ length: AT_ONCE }, () => greet('caged', 1)))
      }
      t.equal(echo.connections.length + datagrams, before)
      const dropped = await packetsDropped(weir)
      t.ok(dropped >= STARTS, `they did try: ${dropped} packets were dropped`)
    })
  })
}

async function packetsDropped(weir: WeirProcess): Promise<number> {
  const counters = [dropsOf(weir, 'UNKNOWN_PORT', 'egress'), dropsOf(weir, 'POLICY_DENIED', 'egress')]
  return sum(await Promise.all(counters))
}
