// Filters of one direction in the form that a proxy enforces: port ranges that do not overlap, each with all
// rules that apply to it. Proxies see TCP only.
import type { Filter } from './filter.ts'
import type { PortPolicy, PortRule } from './network-policy.ts'
import { ANY_PROTOCOL, isEveryPort, LAST_PORT, TCP, type PortSpan } from './rule-model.ts'

interface Piece {
  readonly span: PortSpan
  readonly rule: PortRule
}

/**
 * Each range repeats the rules for every port, so that looking up the range of a port, else port 0, is enough.
 * Receivers that append the rules of port 0 to the ranges themselves come to the same verdicts.
 */
export function portPolicies(filters: readonly Filter[]): PortPolicy[] {
  const pieces = filters.flatMap(({ spans, rule }) => spans.filter(isTcp).map((span) => ({ span, rule })))
  const everyPort = pieces.filter(({ span }) => isEveryPort(span)).map(({ rule }) => rule)
  const ranged = pieces.filter(({ span }) => !isEveryPort(span))
  const policies = disjointRanges(ranged).map(({ firstPort, lastPort }) => {
    const covering = ranged.filter(({ span }) => span.firstPort <= firstPort && lastPort <= span.lastPort)
    return {
      port: firstPort,
      endPort: lastPort,
      rules: ordered([...covering.map(({ rule }) => rule), ...everyPort]),
    }
  })
  if (everyPort.length > 0) policies.push({ port: 0, endPort: 0, rules: ordered(everyPort) })
  return policies
}

function isTcp({ protocol }: PortSpan): boolean {
  return protocol === TCP || protocol === ANY_PROTOCOL
}

/** The ranges between all ends of the spans, without those that no span covers. Sorted. */
function disjointRanges(pieces: readonly Piece[]): { firstPort: number; lastPort: number }[] {
  const starts = new Set<number>()
  for (const { span } of pieces) {
    starts.add(span.firstPort)
    starts.add(span.lastPort + 1)
  }
  const cuts = [...starts].sort((a, b) => a - b)
  return cuts
    .map((firstPort, i) => ({ firstPort, lastPort: (cuts[i + 1] ?? LAST_PORT + 1) - 1 }))
    .filter(({ firstPort, lastPort }) => {
      return pieces.some(({ span }) => span.firstPort <= firstPort && lastPort <= span.lastPort)
    })
}

/** Without repetitions, highest precedence first, otherwise in the order of the policies. */
function ordered(rules: readonly PortRule[]): PortRule[] {
  return [...new Set(rules)].sort((a, b) => b.precedence - a.precedence)
}
