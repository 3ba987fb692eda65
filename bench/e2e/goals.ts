// What Weir with its access log on, through the real datapath, is held to.
import { type Suite } from './cases.ts'
import { type Measure, type Measured, medianOf, pairedRatio } from './statistics.ts'

export interface GoalResult {
  readonly goal: string
  /** For people; '-' when it was not measured. */
  readonly measured: string
  /** undefined: not measured. */
  readonly isMet: boolean | undefined
}

interface RatioGoal {
  readonly goal: string
  readonly case: string
  /** Other case of the same proxy; default the same case. */
  readonly baseCase?: string
  readonly base: string
  readonly measure: Measure
  readonly atMost?: number
  readonly atLeast?: number
}

/** Two runs of the same thing differ by that much. */
const NOISE = 1.05
const PAIR_BYTES = 4096

const HTTP1_RATIOS: readonly RatioGoal[] = [
  {
    goal: 'CPU per request <= 0.75x HAProxy http',
    case: 'small-64',
    base: 'haproxy-http',
    measure: 'cpuUsPerRequest',
    atMost: 0.75,
  },
  {
    goal: 'the same, 8 headers',
    case: 'headers-64',
    base: 'haproxy-http',
    measure: 'cpuUsPerRequest',
    atMost: 0.75,
  },
  {
    goal: 'CPU per request <= 0.25x Envoy',
    case: 'small-64',
    base: 'envoy',
    measure: 'cpuUsPerRequest',
    atMost: 0.25,
  },
  {
    goal: 'p99 no worse than HAProxy http (5 % noise)',
    case: 'small-64',
    base: 'haproxy-http',
    measure: 'p99Us',
    atMost: NOISE,
  },
  { goal: 'the same, 8 headers', case: 'headers-64', base: 'haproxy-http', measure: 'p99Us', atMost: NOISE },
  {
    goal: 'new connections/s >= HAProxy http',
    case: 'new-16',
    base: 'haproxy-http',
    measure: 'rps',
    atLeast: 1,
  },
  {
    goal: '10 MB bodies >= 0.9x HAProxy tcp',
    case: 'large-4',
    base: 'haproxy-tcp',
    measure: 'rps',
    atLeast: 0.9,
  },
  {
    goal: 'CPU of 10,000 rules <= 1.05x one rule',
    case: 'rules-10000',
    baseCase: 'rules-1',
    base: 'weir',
    measure: 'cpuUsPerRequest',
    atMost: 1.05,
  },
]

const HTTP2_RATIOS: readonly RatioGoal[] = [
  {
    goal: 'CPU per request <= 0.75x HAProxy h2, 64x1',
    case: 'h2-64x1',
    base: 'haproxy-http',
    measure: 'cpuUsPerRequest',
    atMost: 0.75,
  },
  {
    goal: 'CPU per request <= 0.35x Envoy, 64x1',
    case: 'h2-64x1',
    base: 'envoy',
    measure: 'cpuUsPerRequest',
    atMost: 0.35,
  },
]

export function checkGoals(suite: Suite, all: readonly Measured[]): GoalResult[] {
  const find = (test: string, proxy: string): Measured | undefined =>
    all.find((measured) => measured.case === test && measured.proxy === proxy)
  const results = (suite === 'http1' ? HTTP1_RATIOS : HTTP2_RATIOS).map((goal): GoalResult => {
    const ratio = pairedRatio(
      find(goal.case, 'weir'),
      find(goal.baseCase ?? goal.case, goal.base),
      goal.measure,
    )
    if (ratio === null) return notMeasured(goal.goal)
    const isMet = ratio <= (goal.atMost ?? Infinity) && ratio >= (goal.atLeast ?? 0)
    return { goal: goal.goal, measured: `${ratio.toFixed(2)}x`, isMet }
  })
  if (suite !== 'http1') return results
  return [...results, idleGoal(medianOf(find('idle', 'weir'), 'idlePairBytes'))]
}

function idleGoal(bytes: number | null): GoalResult {
  const goal = 'an idle connection pair <= 4 KiB'
  if (bytes === null) return notMeasured(goal)
  return { goal, measured: `${(bytes / 1024).toFixed(1)} KiB`, isMet: bytes <= PAIR_BYTES }
}

function notMeasured(goal: string): GoalResult {
  return { goal, measured: '-', isMet: undefined }
}
