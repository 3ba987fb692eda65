// Aligned columns for people; scripts use --output json.
import { printable } from './terminal-text.ts'

const GAP = '   '

export interface Column<Row> {
  readonly title: string
  readonly value: (row: Row) => string | number
  /** Numbers read better from the right. */
  readonly align?: 'right'
}

/** Header and one line per row, each ending in a newline; `none` instead when there are no rows. */
export function formatTable<Row>(
  columns: readonly Column<Row>[],
  rows: readonly Row[],
  none: string,
): string {
  if (rows.length === 0) return `${none}\n`
  const cells = rows.map((row) => columns.map(({ value }) => printable(String(value(row))) || '-'))
  const widths = columns.map(({ title }, i) => {
    return cells.reduce((width, line) => Math.max(width, line[i]?.length ?? 0), title.length)
  })
  return [columns.map(({ title }) => title), ...cells]
    .map((line) => {
      const padded = line.map((cell, i) => {
        const width = widths[i] ?? 0
        return columns[i]?.align === 'right' ? cell.padStart(width) : cell.padEnd(width)
      })
      return `${padded.join(GAP).trimEnd()}\n`
    })
    .join('')
}
