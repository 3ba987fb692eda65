// Containers of a Docker engine as a source of endpoints: events make it quick, a slow re-list makes it sure. While the
// engine is away nothing changes: its containers may live on without it, and no new ones can come.
import { setTimeout as sleep } from 'node:timers/promises'
import { errorMessage } from '../../lib/errors.ts'
import type { Logger } from '../../lib/log.ts'
import { listLinks } from '../../redirect/links.ts'
import type { EndpointSpec } from '../endpoints-document.ts'
import { type ContainerEndpoints, containerEndpoints, isRunning } from './container-endpoints.ts'
import { directAccessProblem } from './direct-access.ts'
import { Engine } from './engine.ts'
import type { EngineEvent } from './engine-types.ts'
import { type Inventory, isOutdated, takeInventory } from './inventory.ts'

const RELIST_MS = 10_000
/** A container runs, and the port that leads to it was not found (yet). */
const INCOMPLETE_RELIST_MS = 250
/**
 * When to look again after an event: the engine tells of it some milliseconds before all its answers show it. A container
 * that is renamed has both names for a while, one that has ended still runs.
 */
const SETTLED_MS = [25, 250]
const FIRST_RECONNECT_MS = 100
const MAX_RECONNECT_MS = 5_000

/** All others (exec, health checks, images) change no endpoint. */
const RELEVANT: Readonly<Record<string, readonly string[]>> = {
  container: ['start', 'die', 'destroy', 'rename'],
  network: ['create', 'connect', 'disconnect', 'destroy'],
}

export interface DockerState {
  readonly socket: string
  /** `stale`: the engine does not answer, and endpoints are those that it named last. */
  readonly state: 'ok' | 'stale'
  readonly error: string | undefined
  /** What else an operator should look at. */
  readonly problems: readonly string[]
}

export interface DockerSourceOptions {
  readonly socket: string
  /** After each look that found something else than the one before. */
  readonly onChange: () => void
  readonly log: Logger
}

export class DockerSource {
  readonly #options: DockerSourceOptions
  readonly #abort = new AbortController()
  readonly #relist: NodeJS.Timeout
  #engine: Engine
  #inventory: Inventory
  /** Equal for inventories that lead to the same endpoints. */
  #summary: string
  #error: string | undefined
  #isWanted = false
  #reconnectMs = FIRST_RECONNECT_MS
  #refreshing: Promise<void> | undefined
  #retry: NodeJS.Timeout | undefined
  /** Looks that are to come after the last event. */
  #settling: readonly NodeJS.Timeout[] = []
  readonly #following: Promise<void>

  private constructor(options: DockerSourceOptions, engine: Engine, inventory: Inventory) {
    this.#options = options
    this.#engine = engine
    this.#inventory = inventory
    this.#summary = summaryOf(inventory)
    this.#relist = setInterval(() => void this.refresh(), RELIST_MS)
    this.#following = this.#followEvents()
  }

  /** @throws WeirError DOCKER_UNREACHABLE, DOCKER_UNSUPPORTED, KERNEL_CALL_FAILED */
  static async open(options: DockerSourceOptions): Promise<DockerSource> {
    const engine = await Engine.connect(options.socket)
    try {
      const source = new DockerSource(options, engine, await takeInventory(engine, new Map()))
      options.log.info({ socket: options.socket, engine: engine.version }, 'following the Docker engine')
      return source
    } catch (error) {
      await engine.close()
      throw error
    }
  }

  get state(): DockerState {
    const { socket } = this.#options
    const problem = directAccessProblem(this.#engine.version, this.#inventory.networks)
    return {
      socket,
      state: this.#error === undefined ? 'ok' : 'stale',
      error: this.#error,
      problems: problem === undefined ? [] : [problem],
    }
  }

  /** @param reserved endpoints of other sources, which keep their names and addresses. */
  containers(reserved: readonly EndpointSpec[]): ContainerEndpoints {
    return containerEndpoints(this.#inventory, reserved)
  }

  get #isClosed(): boolean {
    return this.#abort.signal.aborted
  }

  /** Interface indexes of container ports that are none of the engine's. */
  get elsewhere(): readonly number[] {
    return this.#inventory.elsewhere
  }

  /** Network devices have changed, ours or others. */
  linksChanged(): void {
    if (isOutdated(this.#inventory, listLinks())) void this.refresh()
  }

  /** Look again. Resolves when a look that began after the call has ended. Never rejects. */
  refresh(): Promise<void> {
    this.#isWanted = true
    this.#refreshing ??= this.#refreshAll().finally(() => (this.#refreshing = undefined))
    return this.#refreshing
  }

  async close(): Promise<void> {
    this.#abort.abort()
    clearInterval(this.#relist)
    clearTimeout(this.#retry)
    for (const timer of this.#settling) clearTimeout(timer)
    await this.#engine.close()
    await Promise.all([this.#following, this.#refreshing])
  }

  async #refreshAll(): Promise<void> {
    while (this.#isWanted && !this.#isClosed) {
      this.#isWanted = false
      clearTimeout(this.#retry)
      await this.#refreshOnce()
    }
  }

  async #refreshOnce(): Promise<void> {
    try {
      this.#inventory = await takeInventory(this.#engine, this.#inventory.bindings)
      this.#setError(undefined)
    } catch (error) {
      this.#setError(errorMessage(error))
      return
    }
    if (this.#isClosed) return
    if (isIncomplete(this.#inventory)) {
      this.#retry = setTimeout(() => void this.refresh(), INCOMPLETE_RELIST_MS)
    }
    const summary = summaryOf(this.#inventory)
    if (summary === this.#summary) return
    this.#summary = summary
    this.#options.onChange()
  }

  async #followEvents(): Promise<void> {
    while (!this.#isClosed) {
      await this.#followStream()
      await sleep(this.#reconnectMs, undefined, { signal: this.#abort.signal }).catch(() => undefined)
      this.#reconnectMs = Math.min(2 * this.#reconnectMs, MAX_RECONNECT_MS)
      await this.#reconnect()
    }
  }

  /** Returns when the stream has ended, for whatever reason. */
  async #followStream(): Promise<void> {
    try {
      const events = this.#engine.events(this.#abort.signal, () => {
        this.#reconnectMs = FIRST_RECONNECT_MS
        // What happened before the stream began.
        void this.refresh()
      })
      for await (const event of events) if (isRelevant(event)) this.#follow()
      this.#setError(`${this.#options.socket}: the engine has ended its events`)
    } catch (error) {
      this.#setError(errorMessage(error))
    }
  }

  #follow(): void {
    void this.refresh()
    for (const timer of this.#settling) clearTimeout(timer)
    this.#settling = SETTLED_MS.map((ms) => setTimeout(() => void this.refresh(), ms))
  }

  /** The engine that comes back may be another version. */
  async #reconnect(): Promise<void> {
    if (this.#isClosed) return
    try {
      const engine = await Engine.connect(this.#options.socket)
      await this.#engine.close()
      this.#engine = engine
      // `close` may have come in between.
      await this.#closeIfClosed()
    } catch (error) {
      this.#setError(errorMessage(error))
    }
  }

  async #closeIfClosed(): Promise<void> {
    if (this.#isClosed) await this.#engine.close()
  }

  #setError(error: string | undefined): void {
    if (this.#isClosed) return
    const { log } = this.#options
    if (error !== undefined && this.#error === undefined) {
      log.warn({ error }, 'Docker engine does not answer: endpoints stay as they are')
    }
    if (error === undefined && this.#error !== undefined) log.info('Docker engine is back')
    this.#error = error
  }
}

function isRelevant({ Type = '', Action = '' }: EngineEvent): boolean {
  return RELEVANT[Type]?.includes(Action) ?? false
}

function summaryOf(inventory: Inventory): string {
  return JSON.stringify([containerEndpoints(inventory, []), inventory.elsewhere])
}

/** The port of a container that runs is not known for certain. */
function isIncomplete(inventory: Inventory): boolean {
  const { containers, bindings } = inventory
  const running = new Set(containers.filter(isRunning).map(({ Id }) => Id))
  const confirmed = new Map<string, number>()
  for (const { containerId, isConfirmed } of bindings.values()) {
    if (isConfirmed) confirmed.set(containerId, (confirmed.get(containerId) ?? 0) + 1)
  }
  return inventory.networks.some(({ Containers }) =>
    Object.keys(Containers ?? {}).some((id) => running.has(id) && !confirmed.has(id)),
  )
}
