// TCP sockets of this process inside a namespace: a client or server "in the pod" without a process there.
import net from 'node:net'
import koffi from 'koffi'
import { type Namespace } from './namespace.ts'
import { PATIENCE_MS } from './wait.ts'

const AF_INET = 2
const AF_INET6 = 10
const SOCK_STREAM_NONBLOCK_CLOEXEC = 1 | 0x800 | 0x8_0000
const socket = koffi.load('libc.so.6').func('int socket(int domain, int type, int protocol)') as (
  domain: number,
  type: number,
  protocol: number,
) => number

export interface Destination {
  /** An IP literal. */
  readonly host: string
  readonly port: number
}

export interface DialOptions {
  readonly localPort?: number
  /** Default true: FIN of the peer leaves our side open, as tests of half-close want it. */
  readonly allowHalfOpen?: boolean
}

/** Begin to connect; `connect` or `error` follows. */
export function dial(from: Namespace, to: Destination, options: DialOptions = {}): net.Socket {
  const family = net.isIPv6(to.host) ? AF_INET6 : AF_INET
  const fd = from.enter(() => socket(family, SOCK_STREAM_NONBLOCK_CLOEXEC, 0))
  if (fd < 0) throw new Error(`socket: errno ${koffi.errno()}`)
  const connection = new net.Socket({ fd, allowHalfOpen: options.allowHalfOpen ?? true })
  return connection.connect({
    ...to,
    ...(options.localPort === undefined ? {} : { localPort: options.localPort }),
  })
}

/** @throws Error when there is no connection within `timeoutMs` */
export function connected(
  from: Namespace,
  to: Destination,
  { timeoutMs = PATIENCE_MS, ...options }: DialOptions & { readonly timeoutMs?: number } = {},
): Promise<net.Socket> {
  const connection = dial(from, to, options)
  return new Promise((resolve, reject) => {
    const giveUp = (): void => {
      if (!connection.connecting) return
      connection.destroy()
      reject(new Error(`no connection to ${to.host} port ${to.port} within ${timeoutMs} ms`))
    }
    // Timers come before events of sockets: what has happened meanwhile counts, however late this process is.
    const timer = setTimeout(() => setImmediate(giveUp), timeoutMs)
    connection.once('error', (error) => {
      clearTimeout(timer)
      reject(error)
    })
    connection.once('connect', () => {
      clearTimeout(timer)
      connection.removeAllListeners('error')
      resolve(connection)
    })
  })
}

export type DialOutcome = 'connected' | 'refused' | 'timeout' | 'unreachable'

/** What happens to a connection attempt. A drop shows as `timeout`, a port that nobody listens on as `refused`. */
export async function tryDial(
  from: Namespace,
  to: Destination,
  timeoutMs = PATIENCE_MS,
): Promise<DialOutcome> {
  try {
    const connection = await connected(from, to, { timeoutMs })
    connection.destroy()
    return 'connected'
  } catch (error) {
    const code = (error as NodeJS.ErrnoException).code
    if (code === undefined) return 'timeout'
    return code === 'ECONNREFUSED' || code === 'ECONNRESET' ? 'refused' : 'unreachable'
  }
}

export async function canDial(from: Namespace, to: Destination, timeoutMs = 1_000): Promise<boolean> {
  return (await tryDial(from, to, timeoutMs)) === 'connected'
}

/** Listen on all addresses of the namespace, IPv4 and IPv6. Resolves when it listens. */
export function listenIn<S extends net.Server>(namespace: Namespace, server: S, port: number): Promise<S> {
  return new Promise((resolve, reject) => {
    server.once('error', reject)
    server.once('listening', () => resolve(server))
    // Without a host the socket is made within the call, so it belongs to the namespace.
    namespace.enter(() => server.listen(port))
  })
}

export interface AcceptedConnection {
  readonly socket: net.Socket
  /** Of the client, as the server sees it. */
  readonly address: string
  readonly port: number
}

export interface EchoListener {
  readonly server: net.Server
  /** In order of acceptance, open or not. */
  readonly connections: AcceptedConnection[]
  close(): void
}

/** Send back every byte; FIN for FIN. */
export async function listenAndEcho(namespace: Namespace, port: number): Promise<EchoListener> {
  const connections: AcceptedConnection[] = []
  const server = net.createServer({ allowHalfOpen: true }, (socket) => {
    connections.push({ socket, ...clientOf(socket) })
    socket.on('error', () => undefined)
    socket.pipe(socket)
  })
  await listenIn(namespace, server, port)
  return {
    server,
    connections,
    close() {
      server.close()
      for (const { socket } of connections) socket.destroy()
    },
  }
}

/** Address (IPv4 in its own form) and port of the peer; both are forgotten when a socket closes. */
export function clientOf(socket: net.Socket): { address: string; port: number } {
  return { address: (socket.remoteAddress ?? '').replace(/^::ffff:/, ''), port: socket.remotePort ?? 0 }
}
