// The agent's end of one discovery stream: whose it is, and its subscriptions.
import { status, type ServerDuplexStream } from '@grpc/grpc-js'
import type { DiscoveryRequest__Output } from '../../gen/envoy/service/discovery/v3/DiscoveryRequest.ts'
import type { DiscoveryResponse } from '../../gen/envoy/service/discovery/v3/DiscoveryResponse.ts'
import { WEIR_USER_AGENT } from '../../lib/rpc/discovery.ts'
import { nodeAddress } from './node-id.ts'
import { RESOURCE_TYPES, type ResourceSet } from './resource-set.ts'
import { STREAM_ERRORS, Subscription } from './subscription.ts'

export type DiscoveryCall = ServerDuplexStream<DiscoveryRequest__Output, DiscoveryResponse>

export interface XdsStreamOptions {
  readonly call: DiscoveryCall
  /** The one type of a split stream; undefined: aggregated, requests name their types. */
  readonly typeUrl: string | undefined
  /** State to begin with; undefined = none yet. */
  readonly latest: () => ResourceSet | undefined
  readonly onRefused: (refusal: Refusal) => void
}

export interface Refusal {
  readonly revision: number
  readonly typeUrl: string
  readonly error: string
}

export class XdsStream {
  readonly mode: 'split' | 'ads'
  readonly peer: string
  readonly #options: XdsStreamOptions
  readonly #subscriptions = new Map<string, Subscription>()
  #node: string | undefined
  #isWeir = false
  #hasEnded = false

  constructor(options: XdsStreamOptions) {
    this.#options = options
    this.mode = options.typeUrl === undefined ? 'ads' : 'split'
    this.peer = peerOf(options.call)
  }

  /** As the client names itself; '' before its first request. */
  get node(): string {
    return this.#node ?? ''
  }

  subscriptions(): Subscription[] {
    return [...this.#subscriptions.values()]
  }

  /** @returns why the stream has to be ended by `fail`; undefined = it goes on */
  onRequest(request: DiscoveryRequest__Output): string | undefined {
    return this.#hasEnded ? undefined : (this.#readNode(request) ?? this.#dispatch(request))
  }

  fail(problem: string): void {
    this.#hasEnded = true
    this.#options.call.emit('error', { code: status.INVALID_ARGUMENT, details: problem })
  }

  close(): void {
    this.#hasEnded = true
    for (const subscription of this.#subscriptions.values()) subscription.close()
    this.#options.call.end()
  }

  /** Only the first request has to say who speaks. */
  #readNode({ node }: DiscoveryRequest__Output): string | undefined {
    if (this.#node !== undefined) return undefined
    const id = node?.id ?? ''
    if (nodeAddress(id) === undefined) return STREAM_ERRORS.node
    this.#node = id
    this.#isWeir = node?.userAgentName === WEIR_USER_AGENT
    return undefined
  }

  #dispatch(request: DiscoveryRequest__Output): string | undefined {
    const expected = this.#options.typeUrl
    const typeUrl = request.typeUrl === '' ? expected : request.typeUrl
    if (typeUrl === undefined) return STREAM_ERRORS.noType
    if (!RESOURCE_TYPES.includes(typeUrl)) return STREAM_ERRORS.unknownType
    if (expected !== undefined && typeUrl !== expected) return STREAM_ERRORS.otherType
    const { versionInfo, responseNonce, resourceNames, errorDetail } = request
    return this.#subscription(typeUrl).onRequest({
      versionInfo,
      responseNonce,
      resourceNames,
      errorDetail: errorDetail?.message,
    })
  }

  #subscription(typeUrl: string): Subscription {
    const known = this.#subscriptions.get(typeUrl)
    if (known !== undefined) return known
    const subscription = new Subscription({
      typeUrl,
      mode: this.mode,
      send: (resources, names, version) => {
        if (this.#hasEnded) return
        this.#options.call.write({
          versionInfo: version,
          nonce: version,
          typeUrl,
          resources: resources.pack(typeUrl, names, this.#isWeir),
          controlPlane: { identifier: 'weir' },
        })
      },
      onRefused: (revision, error) => this.#options.onRefused({ revision, typeUrl, error }),
    })
    const latest = this.#options.latest()
    if (latest !== undefined) subscription.offer(latest)
    this.#subscriptions.set(typeUrl, subscription)
    return subscription
  }
}

/** A unix socket has no address of its peer. */
function peerOf(call: DiscoveryCall): string {
  const peer = call.getPeer()
  return /:\d+$/.test(peer) ? peer : 'unix'
}
