// A scripted xDS client that is not ours: sends what a test says, remembers what it got.
import type { ClientDuplexStream, ServiceError } from '@grpc/grpc-js'
import type { DiscoveryRequest } from '../../src/gen/envoy/service/discovery/v3/DiscoveryRequest.ts'
import type { DiscoveryResponse__Output } from '../../src/gen/envoy/service/discovery/v3/DiscoveryResponse.ts'
import type { NetworkPolicy__Output } from '../../src/gen/cilium/NetworkPolicy.ts'
import type { ChannelArguments } from '../../src/lib/rpc/channel.ts'
import { NETWORK_POLICY_TYPE, unpackNetworkPolicy } from '../../src/lib/rpc/discovery.ts'
import { protos } from '../../src/lib/rpc/load.ts'
import { Mailbox } from './events.ts'

export const ENVOY_NODE = 'host~127.0.0.1~no-id~localdomain'

export type DiscoveryMethod = 'policies' | 'hosts' | 'ads'

export class ScriptedXdsClient {
  readonly responses = new Mailbox<DiscoveryResponse__Output>()
  /** Resolves with the error that ended the stream. */
  readonly ended: Promise<ServiceError>
  readonly #stream: ClientDuplexStream<DiscoveryRequest, DiscoveryResponse__Output>
  readonly #close: () => void

  constructor(channel: ChannelArguments, method: DiscoveryMethod) {
    const { client, stream } = open(channel, method)
    this.#stream = stream
    this.#close = () => client.close()
    stream.on('data', this.responses.push)
    this.ended = new Promise((resolve) => stream.on('error', resolve))
  }

  send(request: DiscoveryRequest): void {
    this.#stream.write(request)
  }

  /** The first request of a stream, as Envoy sends it. */
  subscribe(request: DiscoveryRequest = {}): void {
    this.send({ typeUrl: NETWORK_POLICY_TYPE, node: { id: ENVOY_NODE }, ...request })
  }

  ack({ versionInfo, nonce, typeUrl }: DiscoveryResponse__Output, names: string[] = []): void {
    this.send({ typeUrl, versionInfo, responseNonce: nonce, resourceNames: names })
  }

  nack(
    { nonce, typeUrl }: DiscoveryResponse__Output,
    lastVersion: string,
    message: string,
    names: string[] = [],
  ): void {
    this.send({
      typeUrl,
      resourceNames: names,
      versionInfo: lastVersion,
      responseNonce: nonce,
      errorDetail: { code: 13, message },
    })
  }

  close(): void {
    this.#stream.cancel()
    this.#close()
  }
}

export function policiesIn(response: DiscoveryResponse__Output): NetworkPolicy__Output[] {
  return response.resources.map(unpackNetworkPolicy)
}

function open(
  channel: ChannelArguments,
  method: DiscoveryMethod,
): {
  client: { close: () => void }
  stream: ClientDuplexStream<DiscoveryRequest, DiscoveryResponse__Output>
} {
  const { cilium, envoy } = protos()
  if (method === 'ads') {
    const client = new envoy.service.discovery.v3.AggregatedDiscoveryService(...channel)
    return { client, stream: client.StreamAggregatedResources() }
  }
  if (method === 'hosts') {
    const client = new cilium.NetworkPolicyHostsDiscoveryService(...channel)
    return { client, stream: client.StreamNetworkPolicyHosts() }
  }
  const client = new cilium.NetworkPolicyDiscoveryService(...channel)
  return { client, stream: client.StreamNetworkPolicies() }
}
