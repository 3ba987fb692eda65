// What `weir doctor` says about one thing that Weir needs of a machine.

export const FINDING_STATES = ['ok', 'warning', 'blocking'] as const
/** blocking: Weir cannot start or would not enforce. warning: it works, and something else may not. */
export type FindingState = (typeof FINDING_STATES)[number]

export interface Finding {
  /** Of what was looked at, e.g. `libbpf`. */
  readonly check: string
  readonly state: FindingState
  /** What was found. */
  readonly detail: string
  /** What to do about it; '' when there is nothing to do. */
  readonly mend: string
}
