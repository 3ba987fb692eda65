// How often something may happen: a bucket that time fills again.
import { type Allowance } from './allowances.ts'

export class Budget {
  private readonly allowance: Allowance
  private left: number
  private filledMs = 0

  constructor(allowance: Allowance) {
    this.allowance = allowance
    this.left = allowance.burst
  }

  /** @returns false when it is used up. */
  take(nowMs: number): boolean {
    if (this.left < 1) {
      const { burst, perSecond } = this.allowance
      this.left = Math.min(burst, this.left + ((nowMs - this.filledMs) * perSecond) / 1000)
      this.filledMs = nowMs
      if (this.left < 1) return false
    } else if (this.left === this.allowance.burst) this.filledMs = nowMs
    this.left--
    return true
  }
}
