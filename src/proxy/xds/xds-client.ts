// Policies from an agent that speaks NPDS, ours or another: split or aggregated, state of the world. Versions and
// nonces are opaque here.
import { status, type ClientDuplexStream, type ServiceError } from '@grpc/grpc-js'
import type { NetworkPolicyDiscoveryServiceClient } from '../../gen/cilium/NetworkPolicyDiscoveryService.ts'
import type { AggregatedDiscoveryServiceClient } from '../../gen/envoy/service/discovery/v3/AggregatedDiscoveryService.ts'
import type { DiscoveryRequest } from '../../gen/envoy/service/discovery/v3/DiscoveryRequest.ts'
import type { DiscoveryResponse__Output } from '../../gen/envoy/service/discovery/v3/DiscoveryResponse.ts'
import { errorMessage } from '../../lib/errors.ts'
import type { Logger } from '../../lib/log.ts'
import type { ChannelArguments } from '../../lib/rpc/channel.ts'
import { NETWORK_POLICY_TYPE, WEIR_USER_AGENT, type XdsMode } from '../../lib/rpc/discovery.ts'
import { protos } from '../../lib/rpc/load.ts'
import type { PolicySnapshot } from '../../policy/network-policy.ts'
import { Backoff, type BackoffLimits } from './backoff.ts'
import { readNpdsUpdate } from './npds-update.ts'

const BACKOFF: BackoffLimits = { firstMs: 200, lastMs: 10_000 }
/** Envoy cuts reasons there, too. */
const MAX_DETAIL_CHARS = 4096

export interface XdsClientOptions {
  readonly channel: ChannelArguments
  readonly mode: XdsMode
  /** Listener slot: tells the workers of a node apart. */
  readonly slot: number
  readonly version: string
  readonly log: Logger
  /**
   * Enforce the snapshot from the next request on. Returns why it was refused, undefined when it is in force; a
   * throw counts as refused. The client never takes a policy away: the last one applied stays while no agent is
   * there, and until the first good update of the next one.
   */
  readonly apply: (snapshot: PolicySnapshot) => string | undefined
  readonly backoff?: BackoffLimits
}

type Stream = ClientDuplexStream<DiscoveryRequest, DiscoveryResponse__Output>
type Client = NetworkPolicyDiscoveryServiceClient | AggregatedDiscoveryServiceClient

export class XdsClient {
  readonly #options: XdsClientOptions
  readonly #backoff: Backoff
  #client: Client | undefined
  #stream: Stream | undefined
  #retry: NodeJS.Timeout | undefined
  #isClosed = false
  #isConnected = false
  /** Accepted on this stream; '' = none yet. An earlier stream's would make some servers send nothing. */
  #version = ''
  #updates = 0
  #closed = ''
  #lastFailure = ''

  constructor(options: XdsClientOptions) {
    this.#options = options
    this.#backoff = new Backoff(options.backoff ?? BACKOFF)
  }

  /** True from the first response of a stream to its end. */
  get isConnected(): boolean {
    return this.#isConnected
  }

  /** Connect, and reconnect for ever. */
  start(): void {
    const [client, stream] = this.#open()
    this.#client = client
    this.#stream = stream
    this.#version = ''
    stream.on('data', (response: DiscoveryResponse__Output) => this.#receive(stream, response))
    // `error` comes for every end but a clean one, `end` for that; the first of them counts.
    stream.on('error', (error: ServiceError) => this.#onEnd(stream, error.details))
    stream.on('end', () => this.#onEnd(stream, 'stream ended'))
    stream.write({
      typeUrl: NETWORK_POLICY_TYPE,
      node: {
        // An agent of Cilium takes the second part for the node's own address.
        id: `host~127.0.0.1~weir-${this.#options.slot}~localdomain`,
        userAgentName: WEIR_USER_AGENT,
        userAgentVersion: this.#options.version,
      },
    })
  }

  close(): void {
    this.#isClosed = true
    clearTimeout(this.#retry)
    this.#disconnect()
  }

  #open(): [Client, Stream] {
    const { cilium, envoy } = protos()
    if (this.#options.mode === 'ads') {
      const client = new envoy.service.discovery.v3.AggregatedDiscoveryService(...this.#options.channel)
      return [client, client.StreamAggregatedResources()]
    }
    const client = new cilium.NetworkPolicyDiscoveryService(...this.#options.channel)
    return [client, client.StreamNetworkPolicies()]
  }

  #receive(stream: Stream, response: DiscoveryResponse__Output): void {
    if (stream !== this.#stream) return
    this.#onConnected()
    const { typeUrl, versionInfo, nonce } = response
    if (typeUrl !== NETWORK_POLICY_TYPE && this.#options.mode === 'ads') {
      // Not asked for, so there is no subscription that an answer could be about.
      this.#options.log.warn({ typeUrl }, 'xDS response of another type ignored')
      return
    }
    const error =
      typeUrl === NETWORK_POLICY_TYPE
        ? this.#update(response)
        : `type URL ${JSON.stringify(typeUrl)} was not asked for`
    if (error === '') {
      this.#version = versionInfo
      stream.write({ typeUrl: NETWORK_POLICY_TYPE, versionInfo, responseNonce: nonce })
      return
    }
    this.#options.log.error(
      { version: versionInfo, error },
      'policy refused; the last good one stays in force',
    )
    stream.write({
      typeUrl: NETWORK_POLICY_TYPE,
      versionInfo: this.#version,
      responseNonce: nonce,
      errorDetail: { code: status.INTERNAL, message: error.slice(0, MAX_DETAIL_CHARS) },
    })
  }

  /** @returns why it was refused; '' = it is in force */
  #update(response: DiscoveryResponse__Output): string {
    const { log, apply } = this.#options
    try {
      const { snapshot, closed } = readNpdsUpdate(response, this.#version === '', this.#updates)
      const refusal = apply(snapshot)
      if (refusal !== undefined && refusal !== '') return refusal
      this.#updates++
      log.debug({ version: response.versionInfo, policies: snapshot.policies.length }, 'policy in force')
      const text = closed.join('\n')
      if (text !== '' && text !== this.#closed) log.warn({ rules: closed }, 'rules that deny: not supported')
      this.#closed = text
      return ''
    } catch (thrown) {
      return errorMessage(thrown) || 'unknown error'
    }
  }

  #onConnected(): void {
    if (this.#isConnected) return
    this.#isConnected = true
    this.#lastFailure = ''
    this.#backoff.reset()
    this.#options.log.info({ mode: this.#options.mode }, 'connected to the xDS server')
  }

  #onEnd(stream: Stream, reason: string): void {
    if (stream !== this.#stream) return
    const { log } = this.#options
    // gRPC writes the time into some reasons: the same one is told once all the same.
    const failure = reason.replace(/\d+/g, '')
    if (this.#isConnected) log.warn({ reason }, 'xDS server lost; the last policy stays in force')
    else if (failure !== this.#lastFailure) log.warn({ reason }, 'xDS server not reached; trying again')
    this.#lastFailure = failure
    this.#disconnect()
    if (this.#isClosed) return
    this.#retry = setTimeout(() => this.start(), this.#backoff.next(Math.random()))
  }

  #disconnect(): void {
    this.#isConnected = false
    // First, so that the events that these calls cause find a stranger.
    const [stream, client] = [this.#stream, this.#client]
    this.#stream = this.#client = undefined
    stream?.cancel()
    client?.close()
  }
}
