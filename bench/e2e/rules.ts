// The policy that every proxy enforces, each in its own language: one small rule set for most cases, and three
// that differ in size only.

export interface RuleSet {
  /** Where nginx listens, and what Weir has rules for. */
  readonly port: number
  /** Whole-string regular expressions of the paths that `method` may ask for. */
  readonly paths: readonly string[]
  readonly method?: string
  /** HTTP/2 with prior knowledge, on both sides of a proxy. */
  readonly isHttp2?: boolean
}

export const RULE_COUNTS = [1, 1000, 10_000] as const
export type RuleCount = (typeof RULE_COUNTS)[number]

export const SMALL_PATH = '/api/v1/items/1'
export const LARGE_PATH = '/api/v1/large'
export const DENIED_PATH = '/api/v2/items/1'
export const LARGE_BYTES = 10 * 1024 * 1024
/** Paths that a run under a sized rule set asks for, in turn. */
export const DISTINCT_PATHS = 1000

export const MAIN: RuleSet = { port: 80, paths: ['/api/v1/[a-z]+(/[0-9]+)?'] }

export const HTTP2: RuleSet = { ...MAIN, port: 82, isHttp2: true }
export const GRPC: RuleSet = {
  port: 50_051,
  paths: ['/test.Echo/(Unary|Chat)'],
  method: 'POST',
  isHttp2: true,
}
export const GRPC_PATH = '/test.Echo/Unary'
/** Echoes each message of a stream that the client ends. */
export const GRPC_CHAT_PATH = '/test.Echo/Chat'

const SIZED: Readonly<Record<RuleCount, RuleSet>> = {
  1: sized(8001, 1),
  1000: sized(8002, 1000),
  10_000: sized(8003, 10_000),
}

export const RULE_SETS: readonly RuleSet[] = [MAIN, ...Object.values(SIZED), HTTP2, GRPC]

/** Which of them a load meets. */
export interface Choice {
  readonly rules?: RuleCount
  readonly streams?: number
  readonly isGrpc?: boolean
}

export function ruleSetOf({ rules, streams, isGrpc }: Choice): RuleSet {
  if (isGrpc === true) return GRPC
  if (streams !== undefined) return HTTP2
  return rules === undefined ? MAIN : SIZED[rules]
}

/** Allowed paths, spread over all rules of the set. */
export function pathsUnder(rules: RuleCount): string[] {
  return Array.from(
    { length: DISTINCT_PATHS },
    (_, i) => `/api/v1/resource${Math.floor((i * rules) / DISTINCT_PATHS)}/items/${i}`,
  )
}

/** Neither literals nor plain prefixes: each needs matching as a regular expression. */
function sized(port: number, count: number): RuleSet {
  return {
    port,
    paths: Array.from({ length: count }, (_, i) => `/api/v1/resource${i}/items/[0-9]+(/[a-z]+)?`),
  }
}
