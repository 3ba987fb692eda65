// A worker's link to the agent: gets the policy, tells what it made of it, sends flows and counts.
import { type ClientDuplexStream, type ServiceError } from '@grpc/grpc-js'
import type { AgentMessage__Output } from '../gen/weir/v1/AgentMessage.ts'
import type { ControlServiceClient } from '../gen/weir/v1/ControlService.ts'
import type { Snapshot__Output } from '../gen/weir/v1/Snapshot.ts'
import type { WorkerMessage } from '../gen/weir/v1/WorkerMessage.ts'
import type { WorkerStats } from '../gen/weir/v1/WorkerStats.ts'
import { errorMessage } from '../lib/errors.ts'
import type { Logger } from '../lib/log.ts'
import { agentChannel } from '../lib/rpc/channel.ts'
import { protos } from '../lib/rpc/load.ts'
import type { PolicySnapshot } from '../policy/network-policy.ts'
import { decodeSnapshot } from '../policy/snapshot-codec.ts'
import { FlowQueue } from './flow-queue.ts'

const FIRST_BACKOFF_MS = 50
const LAST_BACKOFF_MS = 1000
const STATS_INTERVAL_MS = 1000

export interface AgentClientOptions {
  /** Absolute path of the agent's unix socket. */
  readonly socketPath: string
  readonly slot: number
  readonly version: string
  readonly log: Logger
  /**
   * Enforce the snapshot from the next request on. Returns why it was refused, undefined when it is in
   * force; a throw counts as refused. The client never takes a policy away: the last one applied stays
   * while the agent is gone.
   */
  readonly apply: (snapshot: PolicySnapshot) => string | undefined
  /** Totals since the worker started; asked once per second while connected. */
  readonly stats: () => WorkerStats
  /** Make the access log hand over what it has gathered, because somebody looks now. */
  readonly flushFlows?: () => void
  /** Bytes of flow records kept for the agent, 8 MiB by default. */
  readonly maxQueuedFlowBytes?: number
}

type Stream = ClientDuplexStream<WorkerMessage, AgentMessage__Output>

export class AgentClient {
  readonly #options: AgentClientOptions
  readonly #flows: FlowQueue
  #client: ControlServiceClient | undefined
  #stream: Stream | undefined
  #isConnected = false
  #isBlocked = false
  #isClosed = false
  #backoffMs = FIRST_BACKOFF_MS
  #retry: NodeJS.Timeout | undefined
  #statsTimer: NodeJS.Timeout | undefined

  constructor(options: AgentClientOptions) {
    this.#options = options
    this.#flows = new FlowQueue(options.maxQueuedFlowBytes)
  }

  /** True from the agent's welcome until its stream ends. */
  get isConnected(): boolean {
    return this.#isConnected
  }

  /** Flow records dropped since the start because the agent was slow. */
  get flowsLost(): number {
    return this.#flows.lostTotal
  }

  /** Connect, and reconnect for ever, 50 ms to 1 s after each failure. */
  start(): void {
    const client = new (protos().weir.v1.ControlService)(...agentChannel(this.#options.socketPath))
    const stream = client.Connect()
    this.#client = client
    this.#stream = stream
    this.#isBlocked = false
    stream.on('metadata', () => this.#onConnected(stream))
    stream.on('data', (message: AgentMessage__Output) => this.#receive(stream, message))
    stream.on('drain', () => {
      this.#isBlocked = false
      this.#sendFlows()
    })
    // `error` comes for every end but a clean one, `end` for that; the first of them counts.
    stream.on('error', (error: ServiceError) => this.#onEnd(stream, error.details))
    stream.on('end', () => this.#onEnd(stream, 'stream ended'))
    const { slot, version } = this.#options
    stream.write({ hello: { slot, version, pid: process.pid } })
  }

  /**
   * Whole NDJSON lines for `weir observe`: kept, at least the last 4096 records, until the agent asks, and
   * sent at once while it follows. Never blocks; what a slow agent makes no room for is dropped and
   * counted. `ndjson` is copied.
   */
  sendFlows(ndjson: Uint8Array, records: number): void {
    this.#flows.push(ndjson, records)
    this.#sendFlows()
  }

  close(): void {
    this.#isClosed = true
    clearTimeout(this.#retry)
    this.#disconnect()
  }

  #receive(stream: Stream, message: AgentMessage__Output): void {
    if (stream !== this.#stream) return
    if (message.flowRequest) {
      this.#options.flushFlows?.()
      this.#flows.request(message.flowRequest.id, message.flowRequest.follow)
      this.#sendFlows()
    }
    if (!message.snapshot) return
    const error = this.#apply(message.snapshot)
    stream.write({ ack: { revision: message.snapshot.revision, error } })
  }

  #apply(message: Snapshot__Output): string {
    const { log, apply } = this.#options
    let error: string | undefined
    try {
      error = apply(decodeSnapshot(message))
    } catch (thrown) {
      error = errorMessage(thrown) || 'unknown error'
    }
    if (error === undefined || error === '') {
      log.debug({ revision: message.revision }, 'policy in force')
      return ''
    }
    log.error({ revision: message.revision, error }, 'policy refused; the last good one stays in force')
    return error
  }

  #onConnected(stream: Stream): void {
    if (stream !== this.#stream) return
    this.#isConnected = true
    this.#backoffMs = FIRST_BACKOFF_MS
    this.#options.log.info('connected to the agent')
    const sendStats = (): void => void stream.write({ stats: this.#options.stats() })
    this.#statsTimer = setInterval(sendStats, STATS_INTERVAL_MS)
    sendStats()
  }

  #onEnd(stream: Stream, reason: string): void {
    if (stream !== this.#stream) return
    if (this.#isConnected) this.#options.log.warn({ reason }, 'agent lost; the last policy stays in force')
    else this.#options.log.debug({ reason }, 'agent not reached')
    this.#disconnect()
    if (this.#isClosed) return
    this.#retry = setTimeout(() => this.start(), this.#backoffMs)
    this.#backoffMs = Math.min(this.#backoffMs * 2, LAST_BACKOFF_MS)
  }

  #disconnect(): void {
    clearInterval(this.#statsTimer)
    this.#isConnected = false
    this.#flows.disconnect()
    // First, so that the events that these calls cause find a stranger.
    const [stream, client] = [this.#stream, this.#client]
    this.#stream = this.#client = undefined
    stream?.cancel()
    client?.close()
  }

  #sendFlows(): void {
    while (this.#isConnected && !this.#isBlocked && this.#stream !== undefined) {
      const flows = this.#flows.shift()
      if (flows === undefined) return
      this.#isBlocked = !this.#stream.write({ flows })
    }
  }
}
