// Puts back what others take away of ours, as network managers and firewalls do: at once when the kernel tells, and
// every few seconds for what it does not tell.
import type { Logger } from '../lib/log.ts'
import type { Datapath } from '../redirect/datapath-api.ts'
import type { KernelChanges } from '../redirect/kernel-changes.ts'
import type { Reconciler } from './reconciler.ts'

/** Somebody who takes away again what was put back must not keep the agent from all other work. */
const GAP_MS = 100

export interface MenderOptions {
  readonly datapath: Datapath
  readonly reconciler: Pick<Reconciler, 'restorePrograms'>
  readonly log: Logger
  /** Runs a piece of work so that an error in it is logged and goes no further. */
  readonly guard: (work: () => void) => void
}

export class Mender {
  readonly #options: MenderOptions
  /** Indexes of devices that have lost filters. */
  #unfiltered = new Set<number>()
  #isSteeringHurt = false
  #isAnythingHurt = false
  #lastTime = -Infinity
  #timer: NodeJS.Timeout | undefined

  constructor(options: MenderOptions) {
    this.#options = options
  }

  /** The kernel has told of a change. */
  follow({ links, unfiltered, hasSteering, isIncomplete }: KernelChanges): void {
    const { steeringDevice } = this.#options.datapath
    for (const index of unfiltered) this.#unfiltered.add(index)
    const isDeviceHurt = links.indexes.has(steeringDevice) || unfiltered.has(steeringDevice)
    if (hasSteering || isDeviceHurt) this.#isSteeringHurt = true
    if (isIncomplete) this.#isAnythingHurt = true
    if (!this.#isHurt) return
    const waitMs = this.#lastTime + GAP_MS - performance.now()
    if (waitMs <= 0) this.#mendHurt()
    else this.#timer ??= setTimeout(() => this.#options.guard(() => this.#mendHurt()), waitMs)
  }

  /** Look at everything. */
  look(): void {
    this.#isAnythingHurt = true
    this.#mendHurt()
  }

  close(): void {
    clearTimeout(this.#timer)
  }

  get #isHurt(): boolean {
    return this.#isSteeringHurt || this.#isAnythingHurt || this.#unfiltered.size > 0
  }

  #mendHurt(): void {
    clearTimeout(this.#timer)
    this.#timer = undefined
    const [unfiltered, isSteeringHurt, isAnythingHurt] = [
      this.#unfiltered,
      this.#isSteeringHurt,
      this.#isAnythingHurt,
    ]
    this.#unfiltered = new Set()
    this.#isSteeringHurt = false
    this.#isAnythingHurt = false
    // Programs first: without them an endpoint is open, without steering it is closed.
    const programs = this.#mendPrograms(isAnythingHurt ? undefined : unfiltered)
    const steering = isSteeringHurt || isAnythingHurt ? this.#mendSteering() : []
    const missing = [...steering, ...programs]
    if (missing.length > 0) this.#options.log.warn({ missing }, 'put back what somebody took away')
    this.#lastTime = performance.now()
  }

  #mendPrograms(unfiltered?: ReadonlySet<number>): string[] {
    const changed = unfiltered === undefined ? undefined : { indexes: unfiltered }
    return this.#options.reconciler.restorePrograms(changed).map((endpoint) => `programs of ${endpoint}`)
  }

  #mendSteering(): readonly string[] {
    const { datapath, reconciler } = this.#options
    const before = datapath.steeringDevice
    const missing = datapath.maintain()
    // Programs know the device by its number.
    if (datapath.steeringDevice !== before) reconciler.restorePrograms()
    return missing
  }
}
