// What costs the receiver more than the sender, and how often a peer may do it. Documented in docs/http.md.

/** What a peer may do so often at once, and then so often per second. */
export interface Allowance {
  readonly burst: number
  readonly perSecond: number
}

/** Each frame costs the receiver an answer. */
export const SETTINGS_ALLOWANCE: Allowance = { burst: 100, perSecond: 10 }
export const PING_ALLOWANCE: Allowance = { burst: 1_000, perSecond: 100 }
/** DATA without data that ends nothing. */
export const EMPTY_ALLOWANCE: Allowance = { burst: 1_000, perSecond: 100 }
/** Streams reset, or made to be reset, by the client: rapid reset (CVE-2023-44487) and MadeYouReset. */
export const RESET_ALLOWANCE: Allowance = { burst: 1_000, perSecond: 200 }
/** PRIORITY and frames of unknown types, which are dropped. */
export const IGNORED_ALLOWANCE: Allowance = { burst: 1_000, perSecond: 100 }
/** Frames on streams that are over: what was on its way when they ended, at most a window full. */
export const LATE_ALLOWANCE: Allowance = { burst: 16_384, perSecond: 1_000 }
