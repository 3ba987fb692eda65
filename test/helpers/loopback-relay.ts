// A relay on real loopback sockets in this process, without transparency; clients and servers are node:net.
import { once } from 'node:events'
import net from 'node:net'
import { readdirSync } from 'node:fs'
import { parseAddress } from '../../src/lib/address.ts'
import { TcpNetwork } from '../../src/proxy/io/tcp-network.ts'
import { ProxyListener } from '../../src/proxy/listener.ts'
import { RELAY_LIMITS, type RelayLimits } from '../../src/proxy/relay-limits.ts'
import type { ParserFactory } from '../../src/proxy/relay-parser.ts'

export interface LoopbackRelay {
  readonly network: TcpNetwork
  readonly listener: ProxyListener
  /** Where clients connect. */
  readonly port: number
  readonly host: string
  close(): Promise<void>
}

export interface LoopbackRelayOptions {
  readonly serverPort: number
  readonly host?: '127.0.0.1' | '::1'
  readonly parser?: ParserFactory | null
  readonly limits?: Partial<RelayLimits>
}

export function openLoopbackRelay(options: LoopbackRelayOptions): LoopbackRelay {
  const host = options.host ?? '127.0.0.1'
  const address = parseAddress(host)
  const network = new TcpNetwork()
  const listener = new ProxyListener({
    network,
    listen: [{ address, port: 0, isTransparent: false, mark: 0, isShared: true }],
    resolve: () => ({
      parser: options.parser ?? null,
      dial: {
        source: address,
        destination: address,
        destinationPort: options.serverPort,
        mark: 0,
        isTransparent: false,
      },
    }),
    limits: { ...RELAY_LIMITS, ...options.limits },
  })
  return {
    network,
    listener,
    host,
    port: listener.sockets[0]?.port ?? 0,
    async close() {
      await listener.stop()
      network.close()
    },
  }
}

export interface LoopbackServer {
  readonly port: number
  close(): void
}

/** A server on loopback; errors of its connections are ignored unless the handler listens to them. */
export async function serveLoopback(
  onConnection: (socket: net.Socket) => void,
  host = '127.0.0.1',
): Promise<LoopbackServer> {
  const sockets = new Set<net.Socket>()
  const server = net.createServer({ allowHalfOpen: true }, (socket) => {
    sockets.add(socket)
    socket.on('error', () => undefined)
    socket.on('close', () => sockets.delete(socket))
    onConnection(socket)
  })
  server.listen(0, host, 4096)
  await once(server, 'listening')
  return {
    port: (server.address() as net.AddressInfo).port,
    close() {
      server.close()
      for (const socket of sockets) socket.destroy()
    },
  }
}

/** A client of the relay with an open write side until it ends it. */
export async function connectTo(relay: LoopbackRelay): Promise<net.Socket> {
  const client = net.connect({ host: relay.host, port: relay.port, allowHalfOpen: true })
  await once(client, 'connect')
  return client
}

/** All bytes until FIN. Unlike node:stream/consumers it leaves the socket alone, so it can still be written. */
export function receiveAll(socket: net.Socket): Promise<Buffer> {
  return new Promise((resolve, reject) => {
    const chunks: Buffer[] = []
    socket.on('data', (chunk: Buffer) => chunks.push(chunk))
    socket.once('end', () => resolve(Buffer.concat(chunks)))
    socket.once('error', reject)
  })
}

/** Descriptors of this process that are open now. */
export function openDescriptors(): number {
  return readdirSync('/proc/self/fd').length
}
