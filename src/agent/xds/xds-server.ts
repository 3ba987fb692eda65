// Discovery services of the agent, for proxies that are not told by ControlService: those of others, and our own
// on another machine. State of the world only.
import { status, type handleBidiStreamingCall, type handleUnaryCall } from '@grpc/grpc-js'
import type { DeltaDiscoveryRequest__Output } from '../../gen/envoy/service/discovery/v3/DeltaDiscoveryRequest.ts'
import type { DeltaDiscoveryResponse } from '../../gen/envoy/service/discovery/v3/DeltaDiscoveryResponse.ts'
import type { DiscoveryRequest__Output } from '../../gen/envoy/service/discovery/v3/DiscoveryRequest.ts'
import type { DiscoveryResponse } from '../../gen/envoy/service/discovery/v3/DiscoveryResponse.ts'
import type { Logger } from '../../lib/log.ts'
import { NETWORK_POLICY_HOSTS_TYPE, NETWORK_POLICY_TYPE, shortType } from '../../lib/rpc/discovery.ts'
import type { PolicySnapshot } from '../../policy/network-policy.ts'
import { ResourceSet } from './resource-set.ts'
import type { XdsHandlers } from './services.ts'
import type { Subscription } from './subscription.ts'
import { XdsStream, type DiscoveryCall } from './xds-stream.ts'

const DEFAULT_ACK_TIMEOUT_MS = 2000

export interface XdsServerOptions {
  readonly log: Logger
  /** Of the node itself, for NetworkPolicyHosts. */
  readonly hostAddresses: () => readonly string[]
  readonly ackTimeoutMs?: number
}

/** One per stream and type. */
export interface ConnectedXdsClient {
  readonly node: string
  readonly peer: string
  readonly mode: 'split' | 'ads'
  readonly typeUrl: string
  readonly wanted: number
  /** Last accepted; 0 = none. */
  readonly realised: number
  /** Of the last refused update; '' when the last one was accepted. */
  readonly error: string
}

export class XdsServer {
  readonly handlers: XdsHandlers
  readonly #options: XdsServerOptions
  readonly #streams = new Set<XdsStream>()
  #latest: ResourceSet | undefined

  constructor(options: XdsServerOptions) {
    this.#options = options
    this.handlers = {
      policies: {
        StreamNetworkPolicies: (call) => this.#accept(call, NETWORK_POLICY_TYPE),
        DeltaNetworkPolicies: refuseStream,
        FetchNetworkPolicies: refuseCall,
      },
      hosts: {
        StreamNetworkPolicyHosts: (call) => this.#accept(call, NETWORK_POLICY_HOSTS_TYPE),
        DeltaNetworkPolicyHosts: refuseStream,
        FetchNetworkPolicyHosts: refuseCall,
      },
      aggregated: {
        StreamAggregatedResources: (call) => this.#accept(call, undefined),
        DeltaAggregatedResources: refuseStream,
      },
    }
  }

  /**
   * Make `snapshot` the one in force and push it. Resolves when all clients with policies have accepted, refused
   * or gone, or after the ack timeout (2 s); a client that let one pass is not waited for again until it answers.
   * Never rejects. Revisions must grow.
   */
  publish(snapshot: PolicySnapshot): Promise<void> {
    const latest = new ResourceSet(snapshot, this.#options.hostAddresses())
    this.#latest = latest
    const unsettled = new Set<Subscription>()
    return new Promise((resolve) => {
      const finish = (): void => {
        clearTimeout(timer)
        for (const subscription of unsettled) subscription.isSilent = true
        resolve()
      }
      const timer = setTimeout(finish, this.#options.ackTimeoutMs ?? DEFAULT_ACK_TIMEOUT_MS)
      for (const subscription of this.#subscriptions()) {
        const isAwaited = subscription.typeUrl === NETWORK_POLICY_TYPE && !subscription.isSilent
        if (isAwaited) unsettled.add(subscription)
        subscription.offer(latest, () => {
          if (unsettled.delete(subscription) && unsettled.size === 0) finish()
        })
      }
      if (unsettled.size === 0) finish()
    })
  }

  /** Sorted by node, then type. */
  clients(): ConnectedXdsClient[] {
    return [...this.#streams]
      .flatMap((stream) =>
        stream.subscriptions().map(({ typeUrl, wanted, realised, error }) => {
          const { node, peer, mode } = stream
          return { node, peer, mode, typeUrl, wanted, realised, error }
        }),
      )
      .sort((a, b) => (`${a.node} ${a.typeUrl}` < `${b.node} ${b.typeUrl}` ? -1 : 1))
  }

  /** Lowest revision that a client which has asked for the policy of `endpoint` enforces; undefined = no client. */
  realised(endpoint: number): number | undefined {
    const revisions = this.#subscriptions()
      .filter(({ typeUrl }) => typeUrl === NETWORK_POLICY_TYPE)
      .filter((subscription) => subscription.covers(String(endpoint)))
      .map((subscription) => subscription.realised)
    return revisions.length === 0 ? undefined : Math.min(...revisions)
  }

  /** End all streams; the clients keep their policy and try to come back. */
  close(): void {
    for (const stream of [...this.#streams]) this.#drop(stream)
  }

  #subscriptions(): Subscription[] {
    return [...this.#streams].flatMap((stream) => stream.subscriptions())
  }

  #accept(call: DiscoveryCall, typeUrl: string | undefined): void {
    const { log } = this.#options
    const stream = new XdsStream({
      call,
      typeUrl,
      latest: () => this.#latest,
      onRefused: ({ revision, typeUrl: refused, error }) => {
        log.error(
          { node: stream.node, revision, type: shortType(refused), error },
          'xds client refused an update',
        )
      },
    })
    this.#streams.add(stream)
    // Without a listener, a client that dies in the middle of a message would take the agent down.
    for (const event of ['error', 'cancelled', 'end']) call.on(event, () => this.#drop(stream))
    call.on('data', (request: DiscoveryRequest__Output) => {
      const isFirst = stream.node === ''
      const problem = stream.onRequest(request)
      const fields = { node: stream.node, peer: stream.peer, mode: stream.mode }
      if (problem !== undefined) {
        log.warn({ ...fields, problem }, 'xds stream ended: bad request')
        stream.fail(problem)
      } else if (isFirst) log.info(fields, 'xds client connected')
    })
  }

  #drop(stream: XdsStream): void {
    if (!this.#streams.delete(stream)) return
    this.#options.log.info({ node: stream.node, peer: stream.peer }, 'xds client disconnected')
    stream.close()
  }
}

const UNIMPLEMENTED = {
  code: status.UNIMPLEMENTED,
  details: 'state of the world only: use the Stream method of the service, or StreamAggregatedResources',
}

const refuseStream: handleBidiStreamingCall<DeltaDiscoveryRequest__Output, DeltaDiscoveryResponse> = (
  call,
) => {
  call.on('error', () => {})
  call.on('data', () => {})
  call.emit('error', UNIMPLEMENTED)
}

const refuseCall: handleUnaryCall<DiscoveryRequest__Output, DiscoveryResponse> = (_call, callback) => {
  callback(UNIMPLEMENTED)
}
