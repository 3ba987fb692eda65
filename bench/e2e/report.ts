// The numbers as text tables.
import { type Case } from './cases.ts'
import { type GoalResult } from './goals.ts'
import { type Measured, medianOf, pairedRatio } from './statistics.ts'

const BASE = 'haproxy-http'

export function resultTable(cases: readonly Case[], all: readonly Measured[]): string {
  const lines: string[] = []
  for (const test of cases) {
    const rows = all.filter((measured) => measured.case === test.name)
    if (rows.length === 0) continue
    lines.push('', test.title)
    lines.push(test.isIdle === true ? idleTable(test, rows) : loadTable(rows))
  }
  return lines.join('\n')
}

export function goalTable(goals: readonly GoalResult[]): string {
  const verdict = (isMet: boolean | undefined): string =>
    isMet === undefined ? 'not measured' : isMet ? 'met' : 'MISSED'
  return align(
    [['goal', 'weir', ''], ...goals.map(({ goal, measured, isMet }) => [goal, measured, verdict(isMet)])],
    1,
  )
}

function loadTable(rows: readonly Measured[]): string {
  const base = rows.find(({ proxy }) => proxy === BASE)
  const table = [
    ['  proxy', 'req/s', 'x', 'CPU us', 'x', 'all CPU us', 'x', 'p50 us', 'p99 us', 'x', 'RSS MB'],
  ]
  for (const row of rows) {
    const rss = medianOf(row, 'rssBytes')
    table.push([
      `  ${row.proxy}`,
      number(medianOf(row, 'rps')),
      ratio(pairedRatio(row, base, 'rps')),
      number(medianOf(row, 'cpuUsPerRequest')),
      ratio(pairedRatio(row, base, 'cpuUsPerRequest')),
      number(medianOf(row, 'systemCpuUsPerRequest')),
      ratio(pairedRatio(row, base, 'systemCpuUsPerRequest')),
      number(medianOf(row, 'p50Us')),
      number(medianOf(row, 'p99Us')),
      ratio(pairedRatio(row, base, 'p99Us')),
      number(rss === null ? null : rss / 1e6),
    ])
  }
  return align(table, 1)
}

function idleTable({ areOpen }: Case, rows: readonly Measured[]): string {
  const [what, measure] =
    areOpen === true ? (['stream', 'idleStreamBytes'] as const) : (['pair', 'idlePairBytes'] as const)
  const table = [['  proxy', 'RSS MB', `bytes per ${what}`]]
  for (const row of rows) {
    table.push([
      `  ${row.proxy}`,
      number((medianOf(row, 'rssBytes') ?? 0) / 1e6),
      number(medianOf(row, measure)),
    ])
  }
  return align(table, 1)
}

export function number(value: number | null): string {
  if (value === null) return '-'
  return value >= 100 ? value.toFixed(0) : value.toFixed(1)
}

export function ratio(value: number | null): string {
  return value === null ? '-' : value.toFixed(2)
}

/** Columns from `firstRight` on are numbers and end at the same place. */
export function align(rows: readonly (readonly string[])[], firstRight: number): string {
  const widths = rows[0]!.map((_, column) => Math.max(...rows.map((row) => row[column]!.length)))
  const cell = (text: string, column: number): string =>
    column >= firstRight ? text.padStart(widths[column]!) : text.padEnd(widths[column]!)
  return rows.map((row) => row.map(cell).join('  ').trimEnd()).join('\n')
}
