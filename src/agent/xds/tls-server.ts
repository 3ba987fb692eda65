// Discovery for proxies on other machines: TCP with mutual TLS. No other service of the agent is reachable by it.
import { Server } from '@grpc/grpc-js'
import { WeirError, errorMessage } from '../../lib/errors.ts'
import { KEEPALIVE_OPTIONS } from '../../lib/rpc/channel.ts'
import { formatXdsTarget, type TcpTarget } from '../../lib/rpc/target.ts'
import { serverTls, type TlsMaterial } from '../../lib/rpc/tls.ts'
import { addXdsServices, type XdsHandlers } from './services.ts'

export interface TlsServer {
  /** That is listened on; of interest when 0 was asked for. */
  readonly port: number
  /** Stop listening and cut all streams. */
  close(): void
}

/** @throws WeirError KERNEL_CALL_FAILED when the address cannot be bound. */
export async function startTlsServer(
  listen: TcpTarget,
  tls: TlsMaterial,
  handlers: XdsHandlers,
): Promise<TlsServer> {
  const server = new Server(KEEPALIVE_OPTIONS)
  addXdsServices(server, handlers)
  const address = formatXdsTarget(listen)
  const port = await new Promise<number>((resolve, reject) => {
    server.bindAsync(address, serverTls(tls), (error, bound) => {
      if (error === null) resolve(bound)
      else
        reject(
          new WeirError('KERNEL_CALL_FAILED', `listen on ${address}: ${errorMessage(error)}`, {
            cause: error,
          }),
        )
    })
  })
  return { port, close: () => server.forceShutdown() }
}
