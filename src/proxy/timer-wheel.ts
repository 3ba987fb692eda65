// Coarse timers for many connections: setting and clearing one costs a few assignments and no allocation.

/** Timers fire up to one tick late, never early. */
export const TICK_MS = 100
const SLOTS = 512

export interface TimerOwner {
  /** The timer is idle again and may be set anew. */
  onTimer(timer: WheelTimer): void
}

/** A link of a ring: the slots of the wheel are rings with an anchor. */
class Link {
  next: Link = this
  previous: Link = this

  unlink(): void {
    this.previous.next = this.next
    this.next.previous = this.previous
    this.next = this
    this.previous = this
  }

  insertBefore(anchor: Link): void {
    this.previous = anchor.previous
    this.next = anchor
    anchor.previous.next = this
    anchor.previous = this
  }
}

export class WheelTimer extends Link {
  readonly owner: TimerOwner
  /** In ticks of the wheel; meaningful while set. */
  dueTick = 0

  constructor(owner: TimerOwner) {
    super()
    this.owner = owner
  }

  get isSet(): boolean {
    return this.next !== this
  }
}

export class TimerWheel {
  readonly #slots: Link[] = Array.from({ length: SLOTS }, () => new Link())
  #tick: number

  /** @param nowMs monotonic, the same clock as that of `advance`. */
  constructor(nowMs: number) {
    this.#tick = Math.floor(nowMs / TICK_MS)
  }

  /** Fire `delayMs` after `nowMs`, replacing an earlier setting. */
  set(timer: WheelTimer, nowMs: number, delayMs: number): void {
    timer.unlink()
    // At least the next tick: one that is due in the slot under way would wait for a whole round.
    timer.dueTick = Math.max(this.#tick + 1, Math.ceil((nowMs + delayMs) / TICK_MS))
    timer.insertBefore(this.#slot(timer.dueTick))
  }

  clear(timer: WheelTimer): void {
    timer.unlink()
  }

  /** Fire everything due. Cheap when called more often than there are ticks. */
  advance(nowMs: number): void {
    const target = Math.floor(nowMs / TICK_MS)
    // After a long sleep one round visits every slot.
    if (target - this.#tick > SLOTS) this.#tick = target - SLOTS
    while (this.#tick < target) {
      this.#tick++
      this.#fire(this.#slot(this.#tick), target)
    }
  }

  #fire(anchor: Link, tick: number): void {
    const due = new Link()
    for (let link = anchor.next; link !== anchor;) {
      const timer = link as WheelTimer
      link = link.next
      if (timer.dueTick > tick) continue // a later round
      timer.unlink()
      timer.insertBefore(due)
    }
    // Owners may set and clear any timer, also those that are due.
    while (due.next !== due) {
      const timer = due.next as WheelTimer
      timer.unlink()
      timer.owner.onTimer(timer)
    }
  }

  #slot(tick: number): Link {
    return this.#slots[tick % SLOTS] as Link
  }
}
