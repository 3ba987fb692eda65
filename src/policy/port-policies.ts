// Filters of one direction in the form that a proxy enforces: port ranges that do not overlap, each with all
// rules that apply to it. Proxies see TCP only.
import type { Filter } from './filter.ts'
import type { PortPolicy, PortRule } from './network-policy.ts'
import { ANY_PROTOCOL, isEveryPort, LAST_PORT, TCP, type PortSpan } from './rule-model.ts'
import { compareRules } from './rule-order.ts'

/** A rule with its place in the order in which rules are asked. */
interface Ranked {
  readonly rank: number
  readonly rule: PortRule
}

/** Rules that begin and end at a port. */
interface Edge {
  readonly begin: Ranked[]
  readonly end: Ranked[]
}

/**
 * Each range repeats the rules for every port, so that looking up the range of a port, else port 0, is enough.
 * Receivers that append the rules of port 0 to the ranges themselves come to the same verdicts.
 */
export function portPolicies(filters: readonly Filter[]): PortPolicy[] {
  const tcp = filters.map(({ spans, rule }) => ({ spans: spans.filter(isTcp), rule }))
  const ordered = tcp.filter(({ spans }) => spans.length > 0).sort((a, b) => compareRules(a.rule, b.rule))
  const everyPort: Ranked[] = []
  const edges = new Map<number, Edge>()
  const edgeAt = (port: number): Edge => {
    const edge = edges.get(port) ?? { begin: [], end: [] }
    edges.set(port, edge)
    return edge
  }
  ordered.forEach(({ spans, rule }, rank) => {
    const ranked = { rank, rule }
    if (spans.some(isEveryPort)) {
      everyPort.push(ranked)
      return
    }
    for (const { firstPort, lastPort } of merged(spans)) {
      edgeAt(firstPort).begin.push(ranked)
      edgeAt(lastPort + 1).end.push(ranked)
    }
  })
  const policies = sweep(edges, everyPort)
  if (everyPort.length > 0) policies.push({ port: 0, endPort: 0, rules: everyPort.map(({ rule }) => rule) })
  return policies
}

/** From edge to edge, with the rules in force in between. */
function sweep(edges: ReadonlyMap<number, Edge>, everyPort: readonly Ranked[]): PortPolicy[] {
  const policies: PortPolicy[] = []
  const active = [...everyPort]
  const ports = [...edges.keys()].sort((a, b) => a - b)
  ports.forEach((port, i) => {
    const edge = edges.get(port)
    for (const one of edge?.end ?? []) active.splice(placeOf(active, one.rank), 1)
    for (const one of edge?.begin ?? []) active.splice(placeOf(active, one.rank), 0, one)
    if (active.length === everyPort.length) return
    const endPort = (ports[i + 1] ?? LAST_PORT + 1) - 1
    policies.push({ port, endPort, rules: active.map(({ rule }) => rule) })
  })
  return policies
}

/** First place whose rank is not lower. */
function placeOf(active: readonly Ranked[], rank: number): number {
  let low = 0
  let high = active.length
  while (low < high) {
    const middle = (low + high) >>> 1
    if ((active[middle]?.rank ?? 0) < rank) low = middle + 1
    else high = middle
  }
  return low
}

/** Spans of one rule without overlaps, so that each begins and ends once. */
function merged(spans: readonly PortSpan[]): PortSpan[] {
  const result: PortSpan[] = []
  for (const span of [...spans].sort((a, b) => a.firstPort - b.firstPort)) {
    const last = result.at(-1)
    if (last === undefined || span.firstPort > last.lastPort + 1) result.push(span)
    else if (span.lastPort > last.lastPort) result[result.length - 1] = { ...last, lastPort: span.lastPort }
  }
  return result
}

function isTcp({ protocol }: PortSpan): boolean {
  return protocol === TCP || protocol === ANY_PROTOCOL
}
