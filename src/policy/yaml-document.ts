// YAML text as documents whose every value knows its place, so that a problem can name line and column.
import { isScalar, LineCounter, parseAllDocuments, type Document } from 'yaml'
import { Cursor, type CursorContext } from './yaml-cursor.ts'
import type { Problem } from './problem.ts'

export interface YamlDocument {
  /** Problems of the syntax; checks of the content add to it through `root`. */
  readonly problems: Problem[]
  /** undefined when the document holds nothing but comments. Usable as far as possible despite problems. */
  readonly root: Cursor | undefined
  /** Its text, without the `---` line. */
  readonly text: string
  /** First line, counted from 1. */
  readonly line: number
}

/** Split a file into its documents. A broken document does not hide the others. Never throws. */
export function parseYamlDocuments(text: string, file: string): YamlDocument[] {
  const lines = new LineCounter()
  // Strict, but the messages stay bare: positions go into fields of the problem.
  const parsed = parseAllDocuments(text, { lineCounter: lines, prettyErrors: false, logLevel: 'silent' })
  return [...parsed].map((document) => toDocument(document, text, file, lines))
}

function toDocument(document: Document, text: string, file: string, lines: LineCounter): YamlDocument {
  const problems: Problem[] = []
  const context: CursorContext = { file, lines, document, problems, aliasesLeft: MAX_ALIASES }
  for (const { pos, message } of [...document.errors, ...document.warnings]) {
    const { line, col } = lines.linePos(pos[0])
    const mend = 'correct the YAML syntax there'
    problems.push({ file, line, column: col, path: '', message: `broken YAML: ${message}`, mend })
  }
  const [start, , end] = document.range ?? [0, 0, text.length]
  const source = text.slice(start, end).replace(/^---[^\S\n]*\n?/, '')
  const isEmpty =
    document.contents === null || (isScalar(document.contents) && document.contents.value === null)
  return {
    problems,
    root: isEmpty ? undefined : new Cursor(context, document.contents, '', start),
    text: source.trim() === '' ? '' : `${source.trimEnd()}\n`,
    line: lines.linePos(document.contents?.range?.[0] ?? start).line,
  }
}

/** Aliases can be nested so that a small file stands for billions of values; real ones use a handful. */
const MAX_ALIASES = 10_000
