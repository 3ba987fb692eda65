// ControlService: gives every worker the policy in force and learns what each made of it.
import { Metadata, status } from '@grpc/grpc-js'
import type { ControlServiceHandlers } from '../gen/weir/v1/ControlService.ts'
import type { FlowBatch__Output } from '../gen/weir/v1/FlowBatch.ts'
import type { Hello__Output } from '../gen/weir/v1/Hello.ts'
import type { Snapshot } from '../gen/weir/v1/Snapshot.ts'
import type { WorkerMessage__Output } from '../gen/weir/v1/WorkerMessage.ts'
import type { WorkerStats__Output } from '../gen/weir/v1/WorkerStats.ts'
import type { Revision } from '../lib/brands.ts'
import { MAX_WORKERS } from '../lib/limits.ts'
import type { Logger } from '../lib/log.ts'
import type { PolicySnapshot } from '../policy/network-policy.ts'
import { encodeSnapshot } from '../policy/snapshot-codec.ts'
import { FlowCollector, type FlowSource } from './flow-collector.ts'
import { WorkerLink, type Outcome, type WorkerStream } from './worker-link.ts'

const DEFAULT_ACK_TIMEOUT_MS = 2000

export interface ControlServerOptions {
  readonly log: Logger
  /** Normally `(_slot, batch) => flowLog.receive(batch)`. */
  readonly onFlows: (slot: number, batch: FlowBatch__Output) => void
  readonly onStats?: (slot: number, stats: WorkerStats__Output) => void
  readonly ackTimeoutMs?: number
}

/** What became of one snapshot. Every worker connected when it was published is in exactly one list. */
export interface PublishResult {
  readonly revision: Revision
  /** Slots that enforce it, or a later one. */
  readonly acked: readonly number[]
  readonly refused: readonly { readonly slot: number; readonly error: string }[]
  /** Slots that disconnected before they answered. They get the snapshot when they come back. */
  readonly gone: readonly number[]
  /** Slots that did not answer in time. They still may. */
  readonly silent: readonly number[]
}

export interface ConnectedWorker {
  readonly slot: number
  readonly pid: number
  readonly version: string
  /** Last acknowledged; 0 = none. */
  readonly revision: number
  /** Of the last refused snapshot; '' when the last one was accepted. */
  readonly error: string
  /** Last report; undefined before the first. */
  readonly stats: WorkerStats__Output | undefined
}

export class ControlServer implements FlowSource {
  readonly handlers: ControlServiceHandlers
  readonly #options: ControlServerOptions
  readonly #links = new Map<number, WorkerLink>()
  readonly #stats = new Map<number, WorkerStats__Output>()
  readonly #collector = new FlowCollector()
  #latest: (Snapshot & { revision: Revision }) | undefined

  constructor(options: ControlServerOptions) {
    this.#options = options
    this.handlers = { Connect: (stream: WorkerStream) => this.#accept(stream) }
  }

  /**
   * Make `snapshot` the one in force and push it. Resolves when all workers connected now have acked,
   * refused or gone, or after the ack timeout (2 s). Never rejects. Revisions must grow.
   */
  publish(snapshot: PolicySnapshot): Promise<PublishResult> {
    const latest = { ...encodeSnapshot(snapshot), revision: snapshot.revision }
    this.#latest = latest
    const outcomes = new Map<number, Outcome | undefined>()
    return new Promise((resolve) => {
      const finish = (): void => {
        clearTimeout(timer)
        resolve(summarise(snapshot.revision, outcomes))
      }
      const timer = setTimeout(finish, this.#options.ackTimeoutMs ?? DEFAULT_ACK_TIMEOUT_MS)
      let unsettled = this.#links.size
      for (const link of this.#links.values()) {
        outcomes.set(link.slot, undefined)
        link.send(latest, (outcome) => {
          outcomes.set(link.slot, outcome)
          if (--unsettled === 0) finish()
        })
      }
      if (unsettled === 0) finish()
    })
  }

  collectFlows(): Promise<void> {
    return this.#collector.collect(this.#links.values())
  }

  followFlows(): () => void {
    return this.#collector.follow(() => this.#links.values())
  }

  /** Connected workers by slot. */
  workers(): ConnectedWorker[] {
    return [...this.#links.values()]
      .map(({ slot, pid, version, revision, error }) => {
        return { slot, pid, version, revision, error, stats: this.#stats.get(slot) }
      })
      .sort((a, b) => a.slot - b.slot)
  }

  /** End all streams; the workers keep their policy and try to come back. */
  close(): void {
    for (const link of [...this.#links.values()]) this.#drop(link)
  }

  #accept(stream: WorkerStream): void {
    let link: WorkerLink | undefined
    const forget = (): void => {
      if (link !== undefined) this.#drop(link)
    }
    // Without this, a worker that dies in the middle of a message would take the agent down.
    stream.on('error', forget)
    stream.on('cancelled', forget)
    stream.on('end', () => {
      forget()
      stream.end()
    })
    stream.on('data', (message: WorkerMessage__Output) => {
      if (link !== undefined) return this.#receive(link, message)
      const problem = helloProblem(message.hello)
      if (problem !== '' || !message.hello) {
        this.#options.log.warn({ problem }, 'worker refused')
        stream.emit('error', { code: status.INVALID_ARGUMENT, details: problem })
        return
      }
      link = this.#greet(stream, message.hello)
    })
  }

  #greet(stream: WorkerStream, hello: Hello__Output): WorkerLink {
    const older = this.#links.get(hello.slot)
    if (older !== undefined) {
      // A restarted worker may be here before the end of its predecessor's stream is.
      this.#options.log.warn(
        { slot: hello.slot, pid: hello.pid, olderPid: older.pid },
        'worker replaces another',
      )
      this.#drop(older)
    }
    const link = new WorkerLink(stream, hello)
    this.#links.set(hello.slot, link)
    // Tells the worker that it is welcome even while there is no policy to send.
    stream.sendMetadata(new Metadata())
    this.#options.log.info(
      { slot: link.slot, workerPid: link.pid, version: link.version },
      'worker connected',
    )
    this.#collector.greet(link)
    if (this.#latest !== undefined) link.send(this.#latest, (outcome) => this.#logRefusal(link, outcome))
    return link
  }

  #receive(link: WorkerLink, message: WorkerMessage__Output): void {
    // A replaced worker may still have messages under way.
    if (this.#links.get(link.slot) !== link) return
    if (message.ack) {
      if (!link.onAck(message.ack)) {
        this.#options.log.warn(
          { slot: link.slot, revision: message.ack.revision },
          'worker acked what it was not sent',
        )
      }
    } else if (message.flows) {
      this.#options.onFlows(link.slot, message.flows)
      this.#collector.onAnswer(link, message.flows.answers)
    } else if (message.stats) {
      this.#stats.set(link.slot, message.stats)
      this.#options.onStats?.(link.slot, message.stats)
    }
  }

  #drop(link: WorkerLink): void {
    if (this.#links.get(link.slot) === link) {
      this.#links.delete(link.slot)
      this.#stats.delete(link.slot)
      this.#options.log.info({ slot: link.slot, workerPid: link.pid }, 'worker disconnected')
    }
    this.#collector.forget(link)
    link.close()
  }

  #logRefusal(link: WorkerLink, outcome: Outcome): void {
    if (outcome.kind !== 'refused') return
    this.#options.log.error({ slot: link.slot, error: outcome.error }, 'worker refused the policy in force')
  }
}

function helloProblem(hello: Hello__Output | null | undefined): string {
  if (!hello) return 'the first message must be Hello'
  return hello.slot < MAX_WORKERS ? '' : `slot ${hello.slot} is not 0..${MAX_WORKERS - 1}`
}

function summarise(revision: Revision, outcomes: ReadonlyMap<number, Outcome | undefined>): PublishResult {
  const slots = (kind: Outcome['kind'] | undefined): number[] =>
    [...outcomes].filter(([, outcome]) => outcome?.kind === kind).map(([slot]) => slot)
  const refused = [...outcomes].flatMap(([slot, outcome]) =>
    outcome?.kind === 'refused' ? [{ slot, error: outcome.error }] : [],
  )
  return { revision, acked: slots('acked'), refused, gone: slots('gone'), silent: slots(undefined) }
}
