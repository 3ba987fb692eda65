// Calls to the agent, as promises that reject with a WeirError.
import type { ServiceError } from '@grpc/grpc-js'
import type { AgentServiceClient } from '../gen/weir/v1/AgentService.ts'
import { instancePaths } from '../lib/paths.ts'
import { agentChannel } from '../lib/rpc/channel.ts'
import { protos } from '../lib/rpc/load.ts'
import { fromStatus } from '../lib/rpc/status.ts'

const DEADLINE_MS = 5000

type Callback<T> = (error: ServiceError | null, value?: T) => void
type Options = { readonly deadline: number }

/** One unary call on a client of its own. @throws WeirError of the agent, or AGENT_UNREACHABLE */
export function callAgent<T>(
  stateDir: string,
  call: (client: AgentServiceClient, options: Options, callback: Callback<T>) => void,
): Promise<T> {
  return withAgent(stateDir, (client) => {
    return new Promise((resolve, reject) => {
      call(client, { deadline: Date.now() + DEADLINE_MS }, (error, value) => {
        if (error !== null) reject(error)
        else resolve(value as T)
      })
    })
  })
}

/** Runs `use` with a client; a ServiceError that it rejects with becomes a WeirError. */
export async function withAgent<T>(
  stateDir: string,
  use: (client: AgentServiceClient) => Promise<T>,
): Promise<T> {
  const { agentSocket } = instancePaths(stateDir)
  const client = new (protos().weir.v1.AgentService)(...agentChannel(agentSocket))
  try {
    return await use(client)
  } catch (error) {
    throw isServiceError(error) ? fromStatus(error, agentSocket) : error
  } finally {
    client.close()
  }
}

function isServiceError(error: unknown): error is ServiceError {
  return error instanceof Error && 'code' in error && 'details' in error && 'metadata' in error
}
