// How clients reach the agent: one unix socket, no TLS (mode 0600 of the socket is the access control).
import { credentials, type ChannelOptions, type ChannelCredentials } from '@grpc/grpc-js'

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

/** Constructor arguments of a client of the agent on `socketPath` (absolute). */
export function agentChannel(socketPath: string): [string, ChannelCredentials, ChannelOptions] {
  return [`unix:${socketPath}`, credentials.createInsecure(), CLIENT_OPTIONS]
}
