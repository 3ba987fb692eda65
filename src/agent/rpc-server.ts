// The gRPC server of the agent. grpc-js never sees the socket file: it is handed accepted connections,
// because its own bind would leave the mode of the socket to chance.
import { Server, ServerCredentials } from '@grpc/grpc-js'
import type { Socket } from 'node:net'
import type { AgentServiceHandlers } from '../gen/weir/v1/AgentService.ts'
import type { ControlServiceHandlers } from '../gen/weir/v1/ControlService.ts'
import { protos } from '../lib/rpc/load.ts'
import { listenOnAgentSocket } from './agent-socket.ts'
import { addXdsServices, type XdsHandlers } from './xds/services.ts'

export interface RpcServer {
  /** Stop listening, remove the socket file, cut all streams. */
  close(): Promise<void>
}

export interface AgentServices {
  readonly control: ControlServiceHandlers
  readonly agent: AgentServiceHandlers
  readonly xds?: XdsHandlers
}

/** Serve all services on the unix socket `socketPath`. @throws WeirError as `listenOnAgentSocket`. */
export async function startRpcServer(socketPath: string, services: AgentServices): Promise<RpcServer> {
  const { v1 } = protos().weir
  const grpc = new Server()
  grpc.addService(v1.ControlService.service, services.control)
  grpc.addService(v1.AgentService.service, services.agent)
  if (services.xds !== undefined) addXdsServices(grpc, services.xds)
  const injector = grpc.createConnectionInjector(ServerCredentials.createInsecure())
  const sockets = new Set<Socket>()
  const listener = await listenOnAgentSocket(socketPath, (socket) => {
    sockets.add(socket)
    socket.once('close', () => sockets.delete(socket))
    injector.injectConnection(socket)
  })
  return {
    close: () =>
      new Promise((resolve) => {
        listener.close(() => resolve())
        grpc.forceShutdown()
        for (const socket of sockets) socket.destroy()
      }),
  }
}
