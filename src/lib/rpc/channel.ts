// How clients reach an agent: a unix socket without TLS (its file mode is the access control), or TCP with
// mutual TLS.
import { credentials, type ChannelOptions, type ChannelCredentials } from '@grpc/grpc-js'
import { formatXdsTarget, type XdsTarget } from './target.ts'
import { clientTls, type TlsMaterial } from './tls.ts'

/**
 * Snapshots and listings grow with the node; the agent is trusted, so its messages have no limit.
 * The subchannel pool is private because the shared one would hand the back-off state of a dead agent
 * to the next client.
 */
const CLIENT_OPTIONS: ChannelOptions = {
  'grpc.max_receive_message_length': -1,
  'grpc.use_local_subchannel_pool': 1,
  'grpc.enable_http_proxy': 0,
}

/** A machine that vanished sends no FIN: without these its last policy would pass for the present one. */
export const KEEPALIVE_OPTIONS: ChannelOptions = {
  'grpc.keepalive_time_ms': 30_000,
  'grpc.keepalive_timeout_ms': 10_000,
}

export type ChannelArguments = [string, ChannelCredentials, ChannelOptions]

/** Constructor arguments of a client of the agent on `socketPath` (absolute). */
export function agentChannel(socketPath: string): ChannelArguments {
  return [`unix:${socketPath}`, credentials.createInsecure(), CLIENT_OPTIONS]
}

/** Constructor arguments of a client of an xDS server. `tls` is needed for TCP and for nothing else. */
export function xdsChannel(target: XdsTarget, tls: TlsMaterial | undefined): ChannelArguments {
  if (target.kind === 'unix') return agentChannel(target.path)
  if (tls === undefined) throw new Error('TCP without TLS')
  const secure = clientTls(tls, target.host)
  const options = { ...CLIENT_OPTIONS, ...KEEPALIVE_OPTIONS, ...secure.options }
  return [formatXdsTarget(target), secure.credentials, options]
}
