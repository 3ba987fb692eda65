// Keeps one proxy worker alive per slot, across deaths of the workers and of the agent itself.
import { readdirSync } from 'node:fs'
import { join } from 'node:path'
import { errorMessage } from '../lib/errors.ts'
import type { Logger } from '../lib/log.ts'
import { isAlive, readPidFile, removePidFile, writePidFile } from './process-id.ts'
import { adoptWorker, spawnWorker, type WorkerProcess } from './worker-process.ts'

const DEFAULT_GRACE_MS = 5000
/** A worker that lives shorter than this may die of something that a restart does not mend. */
const YOUNG_MS = 5000
/** After the n-th young death in a row; the last one repeats. */
const BACKOFF_MS = [0, 0, 200, 400, 800, 1600, 3200, 5000] as const

export interface SupervisorOptions {
  readonly stateDir: string
  /** Slots 0..workers-1. */
  readonly workers: number
  /** File to execute and its arguments, e.g. [process.execPath, main, 'proxy', '--slot', '0']. */
  readonly command: (slot: number) => readonly [string, ...string[]]
  readonly log: Logger
  /** Between SIGTERM and SIGKILL. */
  readonly graceMs?: number
}

export interface SupervisedWorker {
  readonly slot: number
  readonly pid: number
  readonly isAdopted: boolean
}

interface Slot {
  readonly number: number
  process: WorkerProcess | undefined
  startedAtMs: number
  youngDeaths: number
  restart: NodeJS.Timeout | undefined
}

export class Supervisor {
  readonly #options: SupervisorOptions
  readonly #slots: Slot[] = []
  readonly #surplus: Promise<void>[] = []
  #isStopping = false

  constructor(options: SupervisorOptions) {
    this.#options = options
  }

  /**
   * Adopt the workers that an earlier agent left, spawn those that are missing, and stop those that are
   * too many. An adopted worker keeps the options that it was started with.
   */
  start(): void {
    for (let number = 0; number < this.#options.workers; number++) {
      const slot: Slot = { number, process: undefined, startedAtMs: 0, youngDeaths: 0, restart: undefined }
      this.#slots.push(slot)
      const left = this.#leftWorker(number)
      if (left === undefined) this.#spawn(slot)
      else this.#watch(slot, left)
    }
    this.#stopSurplus()
  }

  workers(): SupervisedWorker[] {
    return this.#slots.flatMap(({ number, process }) =>
      process === undefined ? [] : [{ slot: number, pid: process.id.pid, isAdopted: process.isAdopted }],
    )
  }

  /** To the workers that `isReady` says have a handler for it: others would die of it. */
  signal(signal: NodeJS.Signals, isReady: (pid: number) => boolean): void {
    for (const { process } of this.#slots)
      if (process !== undefined && isReady(process.id.pid)) process.kill(signal)
  }

  /** SIGTERM to all, SIGKILL after the grace period to those that are left. Resolves when all are gone. */
  async stop(): Promise<void> {
    this.#isStopping = true
    const running = this.#slots.map(({ process, restart }) => {
      clearTimeout(restart)
      return process === undefined ? undefined : this.#terminate(process)
    })
    await Promise.all([...running, ...this.#surplus])
  }

  #pidFile(slot: number): string {
    return join(this.#options.stateDir, `proxy-${slot}.pid`)
  }

  #leftWorker(slot: number): WorkerProcess | undefined {
    const id = readPidFile(this.#pidFile(slot))
    return id !== undefined && isAlive(id) ? adoptWorker(id) : undefined
  }

  #spawn(slot: Slot): void {
    const spawned = spawnWorker(this.#options.command(slot.number), (error) => {
      this.#options.log.error(
        { slot: slot.number, error: errorMessage(error) },
        'worker could not be started',
      )
    })
    if (spawned === undefined) return this.#onDeath(slot, 'not started', 0)
    // At once: a worker without a pid file would be doubled if the agent were killed now.
    writePidFile(this.#pidFile(slot.number), spawned.id)
    this.#watch(slot, spawned)
  }

  #watch(slot: Slot, worker: WorkerProcess): void {
    slot.process = worker
    slot.startedAtMs = worker.isAdopted ? -Infinity : performance.now()
    const { pid } = worker.id
    this.#options.log.info(
      { slot: slot.number, workerPid: pid, isAdopted: worker.isAdopted },
      'worker started',
    )
    worker.onExit((reason) => {
      slot.process = undefined
      removePidFile(this.#pidFile(slot.number), worker.id)
      if (!this.#isStopping) this.#onDeath(slot, reason, performance.now() - slot.startedAtMs)
    })
  }

  #onDeath(slot: Slot, reason: string, livedMs: number): void {
    slot.youngDeaths = livedMs < YOUNG_MS ? slot.youngDeaths + 1 : 0
    const backoffMs = BACKOFF_MS[Math.min(slot.youngDeaths, BACKOFF_MS.length - 1)] ?? 0
    const fields = { slot: slot.number, reason, youngDeaths: slot.youngDeaths, backoffMs }
    this.#options.log.error(fields, 'worker died; starting another')
    if (backoffMs === 0) this.#spawn(slot)
    else slot.restart = setTimeout(() => this.#spawn(slot), backoffMs)
  }

  /** Workers of an agent that ran with more slots would stay in the listener group for ever. */
  #stopSurplus(): void {
    for (const name of readdirSync(this.#options.stateDir)) {
      const slot = Number(/^proxy-(\d+)\.pid$/.exec(name)?.[1] ?? NaN)
      if (!(slot >= this.#options.workers)) continue
      const worker = this.#leftWorker(slot)
      if (worker === undefined) continue
      this.#options.log.warn({ slot, workerPid: worker.id.pid }, 'stopping a worker that is one too many')
      this.#surplus.push(this.#terminate(worker).then(() => removePidFile(this.#pidFile(slot), worker.id)))
    }
  }

  #terminate(worker: WorkerProcess): Promise<void> {
    return new Promise((resolve) => {
      const killer = setTimeout(() => {
        this.#options.log.warn({ workerPid: worker.id.pid }, 'worker ignores SIGTERM')
        worker.kill('SIGKILL')
      }, this.#options.graceMs ?? DEFAULT_GRACE_MS)
      worker.onExit(() => {
        clearTimeout(killer)
        resolve()
      })
      worker.kill('SIGTERM')
    })
  }
}
