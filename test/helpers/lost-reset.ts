// The reset with which the proxy ends an upstream leg does not arrive: what does the server hear, and when?
import { createServer, type Socket } from 'node:net'
import type { Test } from 'tap'
import { type Cluster } from './cluster.ts'
import { Mailbox } from './events.ts'
import { addressesOf, type NodeNamespace, type Pod } from './node-namespace.ts'
import { statusOf, sum } from './observed.ts'
import { RawHttpClient } from './raw-http.ts'
import { listenIn } from './tcp.ts'
import { waitFor } from './wait.ts'

/** Requests for `/` of `client` to this port of `pod` must be allowed, and nobody else have a connection. */
export async function testLostReset(
  t: Test,
  { node, weir }: Pick<Cluster<never>, 'node' | 'weir'>,
  client: Pod,
  pod: Pod,
  port: number,
): Promise<void> {
  const requests = new Mailbox<Socket>()
  const errors = new Map<Socket, string>()
  const server = createServer((socket) => {
    socket.on('error', ({ code }: NodeJS.ErrnoException) => errors.set(socket, code ?? ''))
    socket.once('data', () => requests.push(socket))
  })
  await listenIn(pod, server, port)
  t.teardown(() => server.close())
  /** Workers report once per second. */
  const isCounted = async (connections: number): Promise<boolean> =>
    sum((await statusOf(weir)).workers.map(({ connectionsActive }) => connectionsActive)) === connections

  for (const host of addressesOf(pod)) {
    const asking = await RawHttpClient.open(client, { host, port })
    asking.get('/')
    const socket = await requests.take()
    t.teardown(() => socket.destroy())
    await waitFor(() => isCounted(1), { what: 'the worker to count the connection' })
    loseResets(node)
    asking.socket.resetAndDestroy()
    await waitFor(() => isCounted(0), { what: 'the worker to have ended it' })
    findResets(node)
    t.notOk(errors.has(socket), `the server has heard nothing, ${host}`)
    socket.write('HTTP/1.1 200 OK\r\n\r\n')
    await waitFor(() => errors.has(socket), { what: 'the server to hear of it' })
    t.equal(errors.get(socket), 'ECONNRESET', 'and hears by the answer to what it sends')
  }
}

/** Of all that the node itself sends. */
function loseResets(node: NodeNamespace): void {
  for (const rule of [
    'add table inet lossy',
    'add chain inet lossy output { type filter hook output priority 0; }',
    'add rule inet lossy output tcp flags rst drop',
  ])
    node.execSync(['nft', rule])
}

function findResets(node: NodeNamespace): void {
  node.execSync(['nft', 'delete table inet lossy'])
}
