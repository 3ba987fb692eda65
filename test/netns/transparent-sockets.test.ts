// Sockets with foreign addresses, in a namespace where 192.0.2.0/24 and 2001:db8::/64 are routed to it but not
// configured on any device: only IP_TRANSPARENT makes them usable.
import { once } from 'node:events'
import net from 'node:net'
import t from 'tap'
import { formatAddress, parseAddress } from '../../src/lib/address.ts'
import { getOption, SO_MARK, SOL_SOCKET } from '../../src/proxy/io/syscalls.ts'
import { TcpNetwork } from '../../src/proxy/io/tcp-network.ts'
import type { DialOptions, ListeningSocket, Socket } from '../../src/proxy/io/types.ts'
import { Namespace } from '../helpers/namespace.ts'
import { canRunPrivileged } from '../helpers/privileges.ts'
import { Recorder } from '../helpers/recorder.ts'
import { waitFor } from '../helpers/wait.ts'

const LISTENER_MARK = 0xb00
const FAMILIES = [
  { loopback: '127.0.0.1', foreign: '192.0.2.7' },
  { loopback: '::1', foreign: '2001:db8::7' },
] as const

t.test('transparent sockets', async (t) => {
  if (!canRunPrivileged(t)) return
  const namespace = new Namespace('weir-io')
  namespace.create()
  t.teardown(() => namespace.destroy())
  namespace.ip(
    'link set lo up',
    'rule add pref 10 iif lo lookup 100',
    'route add local 192.0.2.0/24 dev lo table 100',
  )
  namespace.execSync(['ip', '-6', 'rule', 'add', 'pref', '10', 'iif', 'lo', 'lookup', '100'])
  namespace.execSync(['ip', '-6', 'route', 'add', 'local', '2001:db8::/64', 'dev', 'lo', 'table', '100'])
  const network = new TcpNetwork()
  t.teardown(() => network.close())

  for (const { loopback, foreign } of FAMILIES) {
    await t.test(`dial from ${foreign}`, async (t) => {
      const server = net.createServer()
      namespace.enter(() => server.listen(0)) // without a host the socket is made within the call
      await once(server, 'listening')
      const { port } = server.address() as net.AddressInfo
      const options: DialOptions = {
        source: parseAddress(foreign),
        destination: parseAddress(loopback),
        destinationPort: port,
        mark: 0xa00,
        isTransparent: true,
      }
      const accepted = once(server, 'connection') as Promise<[net.Socket]>
      const socket = namespace.enter(() => network.dial(options))
      const recorder = new Recorder(socket)
      const [peer] = await accepted
      t.equal(formatAddress(parseAddress(peer.remoteAddress ?? '')), foreign)
      await waitFor(() => recorder.has('connect'), { what: 'the connection' })
      t.equal(formatAddress(socket.localAddress), foreign)
      t.equal(socket.localPort, peer.remotePort)
      socket.abort()
      peer.destroy()

      const refused = namespace.enter(() => network.dial({ ...options, isTransparent: false }))
      const failure = new Recorder(refused)
      await waitFor(() => refused.isClosed, { what: 'the failure' })
      t.same(failure.events, ['error EADDRNOTAVAIL'], 'not without the option')
      server.close()
    })

    await t.test(`listen on ${loopback} with a mark, shared`, async (t) => {
      const sockets: Socket[] = []
      const listen = (port: number): ListeningSocket =>
        namespace.enter(() =>
          network.listen(
            {
              address: parseAddress(loopback),
              port,
              isTransparent: true,
              mark: LISTENER_MARK,
              isShared: true,
            },
            (socket) => {
              new Recorder(socket)
              sockets.push(socket)
            },
          ),
        )
      const one = listen(0)
      const two = listen(one.port)
      t.equal(two.port, one.port)
      t.equal(getOption(one.fd, SOL_SOCKET, SO_MARK), LISTENER_MARK)
      const client = namespace.enter(() =>
        network.dial({
          source: null,
          destination: parseAddress(loopback),
          destinationPort: one.port,
          mark: 0,
          isTransparent: false,
        }),
      )
      new Recorder(client)
      await waitFor(() => sockets.length === 1, { what: 'the connection' })
      const [socket] = sockets
      t.equal(formatAddress(socket?.remoteAddress ?? new Uint8Array(16)), loopback)
      t.equal(socket?.localPort, one.port)
      const options = namespace.execSync(['ss', '-tneim', `sport = :${one.port}`])
      t.match(options, /fwmark:0xb00/, 'accepted sockets inherit the mark')
      t.match(namespace.execSync(['ss', '-ltn']), /4096/, 'backlog')
      t.throws(
        () =>
          namespace.enter(() =>
            network.listen(
              {
                address: parseAddress(loopback),
                port: one.port,
                isTransparent: false,
                mark: 0,
                isShared: false,
              },
              () => undefined,
            ),
          ),
        { code: 'CONFIG_INVALID', message: /EADDRINUSE/ },
      )
      client.abort()
      socket?.abort()
      one.close()
      two.close()
    })
  }
})
