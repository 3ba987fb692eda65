// How long to wait before the next attempt.

export interface BackoffLimits {
  readonly firstMs: number
  readonly lastMs: number
}

/** Doubles from attempt to attempt. Each wait is drawn from its upper half, so that a crowd spreads. */
export class Backoff {
  readonly #limits: BackoffLimits
  #nextMs: number

  constructor(limits: BackoffLimits) {
    this.#limits = limits
    this.#nextMs = limits.firstMs
  }

  /** @param random in [0, 1) */
  next(random: number): number {
    const fullMs = this.#nextMs
    this.#nextMs = Math.min(fullMs * 2, this.#limits.lastMs)
    return (fullMs * (1 + random)) / 2
  }

  reset(): void {
    this.#nextMs = this.#limits.firstMs
  }
}
