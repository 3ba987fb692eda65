// The proxy of Weir without its datapath, for plain iptables: one fixed policy for everybody, original destinations
// from the socket (TPROXY) or from conntrack (REDIRECT). Usage: node reference-proxy.js redirect|tproxy
import koffi from 'koffi'
import { asEndpointId, asIdentity, asRevision } from '../../src/lib/brands.ts'
import { parseAddress } from '../../src/lib/address.ts'
import { AccessLog } from '../../src/proxy/access-log.ts'
import type { ConnectionResolver } from '../../src/proxy/connection.ts'
import { Enforcer } from '../../src/proxy/enforcer.ts'
import { TcpNetwork } from '../../src/proxy/io/tcp-network.ts'
import type { TcpSocket } from '../../src/proxy/io/tcp-socket.ts'
import type { ListeningSocket, ListenOptions, Network, Socket } from '../../src/proxy/io/types.ts'
import { ProxyListener } from '../../src/proxy/listener.ts'
import type { SteeredConnection } from '../../src/redirect/proxy-maps.ts'
import { PROXY_PORT } from '../../src/redirect/layouts.ts'
import { ALLOWED_PATH } from './policy.ts'

const SOL_IP = 0
const SOL_IPV6 = 41
const SO_ORIGINAL_DST = 80
const SOCKADDR_IN6_BYTES = 28
const AF_INET = 2
/** Excluded from the rules of iptables. */
const MARK = 0xa00
const PEER = asIdentity(1000)
const ENDPOINT = asEndpointId(1)

const getsockopt = koffi
  .load(null)
  .func('int getsockopt(int fd, int level, int option, _Out_ uint8_t *value, _Inout_ uint32_t *bytes)') as (
  ...args: unknown[]
) => number

/** What conntrack remembers of a connection that REDIRECT took. */
function originalDestination(fd: number, isIPv6: boolean): { address: Uint8Array; port: number } {
  const value = Buffer.alloc(SOCKADDR_IN6_BYTES)
  if (getsockopt(fd, isIPv6 ? SOL_IPV6 : SOL_IP, SO_ORIGINAL_DST, value, [value.length]) !== 0)
    throw new Error(`SO_ORIGINAL_DST: errno ${koffi.errno()}`)
  const port = value.readUInt16BE(2)
  if (value.readUInt16LE(0) === AF_INET)
    return { address: parseAddress([...value.subarray(4, 8)].join('.')), port }
  return { address: new Uint8Array(value.subarray(8, 24)), port }
}

/** Accepted sockets say what they were dialled for, not what they were redirected to. */
class RedirectedNetwork implements Network {
  readonly #inner: TcpNetwork
  readonly clock: TcpNetwork['clock']

  constructor(inner: TcpNetwork) {
    this.#inner = inner
    this.clock = inner.clock
  }

  listen(options: ListenOptions, onAccept: (socket: Socket) => void): ListeningSocket {
    const isIPv6 = options.address[10] !== 0xff
    return this.#inner.listen(options, (socket) => {
      const original = originalDestination((socket as TcpSocket).fd, isIPv6)
      Object.defineProperty(socket, 'localAddress', { value: original.address })
      Object.defineProperty(socket, 'localPort', { value: original.port })
      onAccept(socket)
    })
  }

  dial(options: Parameters<Network['dial']>[0]): Socket {
    return this.#inner.dial(options)
  }

  onTick(tick: (nowMs: number) => void): () => void {
    return this.#inner.onTick(tick)
  }
}

const isTransparent = process.argv[2] === 'tproxy'
const network = new TcpNetwork()
const everybody: SteeredConnection = {
  revision: asRevision(1),
  sourceIdentity: PEER,
  destinationIdentity: PEER,
  egressEndpoint: asEndpointId(0),
  ingressEndpoint: ENDPOINT,
}
const enforcer = new Enforcer({
  maps: { takeConnection: () => everybody },
  accessLog: new AccessLog({ sinks: [] }),
  deniedBody: Buffer.from('Access denied\r\n'),
})
const refusal = enforcer.apply({
  revision: asRevision(1),
  policies: [
    {
      endpointId: ENDPOINT,
      endpointIps: [],
      ingress: [
        {
          port: 80,
          endPort: 80,
          rules: [
            {
              name: 'compare',
              precedence: 0,
              deny: false,
              remoteIdentities: [PEER],
              http: [{ name: 'allowed', path: ALLOWED_PATH, headers: [] }],
            },
          ],
        },
      ],
      egress: [],
    },
  ],
  endpoints: [],
  identities: [],
})
if (refusal !== undefined) throw new Error(refusal)

const resolve: ConnectionResolver = (accepted) => {
  const decision = enforcer.resolve(accepted)
  if ('close' in decision) return decision
  const source = isTransparent ? decision.dial.source : null
  return {
    ...decision,
    dial: { ...decision.dial, source, isTransparent: source !== null, mark: MARK },
  }
}
new ProxyListener({
  network: isTransparent ? network : new RedirectedNetwork(network),
  resolve,
  // REDIRECT sends packets to an address of the device that they came in by.
  listen: (isTransparent ? ['127.0.0.1', '::1'] : ['0.0.0.0', '::']).map((address) => ({
    address: parseAddress(address),
    port: PROXY_PORT,
    isTransparent,
    mark: isTransparent ? 0xb00 : 0,
    isShared: true,
  })),
})
process.stdout.write('listening\n')
