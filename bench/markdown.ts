// Results as parts of the documents, so that pages show what was measured last.
import { readFileSync, writeFileSync } from 'node:fs'

/** As prettier writes it. The first row is the head. */
export function table(rows: readonly (readonly string[])[]): string {
  const [head = [], ...body] = rows
  const widths = head.map((_, column) => Math.max(3, ...rows.map((row) => row[column]?.length ?? 0)))
  const line = (row: readonly string[]): string =>
    `| ${row.map((cell, column) => cell.padEnd(widths[column] ?? 0)).join(' | ')} |`
  return [line(head), `| ${widths.map((width) => '-'.repeat(width)).join(' | ')} |`, ...body.map(line)].join(
    '\n',
  )
}

/** Replaces what stands between the marks of `command` in a page. @throws Error when they are not there. */
export function writeResults(page: string, command: string, text: string): void {
  const [begin, end] = [mark(command, 'begin'), mark(command, 'end')]
  const [before, rest, ...more] = readFileSync(page, 'utf8').split(begin)
  const after = rest?.split(end)
  if (before === undefined || after?.length !== 2 || more.length > 0) {
    throw new Error(`${page} has no place for the results of ${command}: write ${begin} and ${end} there`)
  }
  writeFileSync(page, `${before}${begin}\n\n${text}\n\n${end}${after[1] ?? ''}`)
}

function mark(command: string, edge: 'begin' | 'end'): string {
  return `<!-- results of \`${command}\`: ${edge} -->`
}
