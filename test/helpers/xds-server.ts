// A scripted xDS server that is not ours: sends what a test says on each stream, remembers what came.
import { Server, ServerCredentials, type ServerDuplexStream } from '@grpc/grpc-js'
import type { NetworkPolicy } from '../../src/gen/cilium/NetworkPolicy.ts'
import type { DiscoveryRequest__Output } from '../../src/gen/envoy/service/discovery/v3/DiscoveryRequest.ts'
import type { DiscoveryResponse } from '../../src/gen/envoy/service/discovery/v3/DiscoveryResponse.ts'
import { NETWORK_POLICY_TYPE, packNetworkPolicy, type PackedResource } from '../../src/lib/rpc/discovery.ts'
import { protos } from '../../src/lib/rpc/load.ts'
import { Mailbox } from './events.ts'

type Call = ServerDuplexStream<DiscoveryRequest__Output, DiscoveryResponse>

export class ScriptedStream {
  readonly requests = new Mailbox<DiscoveryRequest__Output>()
  readonly kind: 'policies' | 'ads'
  readonly #call: Call

  constructor(kind: 'policies' | 'ads', call: Call) {
    this.kind = kind
    this.#call = call
    call.on('error', () => {})
    call.on('data', this.requests.push)
  }

  /** Versions and nonces as given: an agent may make them as it likes. */
  respond(
    version: string,
    policies: readonly (NetworkPolicy | PackedResource)[],
    { nonce = `nonce of ${version}`, typeUrl = NETWORK_POLICY_TYPE } = {},
  ): void {
    const resources = policies.map((policy) => ('type_url' in policy ? policy : packNetworkPolicy(policy)))
    this.#call.write({ versionInfo: version, nonce, typeUrl, resources })
  }

  end(): void {
    this.#call.end()
  }

  /** As an agent ends a stream that it does not like. */
  fail(code: number, details: string): void {
    this.#call.emit('error', { code, details })
  }
}

export class ScriptedXdsServer {
  readonly streams = new Mailbox<ScriptedStream>()
  readonly #server = new Server()

  static async start(socketPath: string): Promise<ScriptedXdsServer> {
    const scripted = new ScriptedXdsServer()
    const { cilium, envoy } = protos()
    const accept = (kind: 'policies' | 'ads') => (call: Call) =>
      scripted.streams.push(new ScriptedStream(kind, call))
    const unused = (): void => {
      throw new Error('nobody calls this')
    }
    scripted.#server.addService(cilium.NetworkPolicyDiscoveryService.service, {
      StreamNetworkPolicies: accept('policies'),
      DeltaNetworkPolicies: unused,
      FetchNetworkPolicies: unused,
    })
    scripted.#server.addService(envoy.service.discovery.v3.AggregatedDiscoveryService.service, {
      StreamAggregatedResources: accept('ads'),
      DeltaAggregatedResources: unused,
    })
    await new Promise<void>((resolve, reject) => {
      scripted.#server.bindAsync(`unix:${socketPath}`, ServerCredentials.createInsecure(), (error) => {
        if (error === null) resolve()
        else reject(error)
      })
    })
    return scripted
  }

  /** Cuts all streams. */
  stop(): void {
    this.#server.forceShutdown()
  }
}
