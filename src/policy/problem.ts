// What is wrong with a document that people write, with everything needed to find and mend it.

export interface Problem {
  readonly file: string
  /** Both count from 1. */
  readonly line: number
  readonly column: number
  /** `spec.ingress[0].toPorts[0].ports[0].port`; empty = the document as a whole. */
  readonly path: string
  readonly message: string
  /** The offending value as written, shortened; undefined when something is missing. */
  readonly value?: string
  readonly mend?: string
}

/** `file:line:column: path: message (value: ...); mend` */
export function formatProblem(problem: Problem): string {
  const where = `${problem.file}:${problem.line}:${problem.column}`
  const path = problem.path === '' ? '' : ` ${problem.path}:`
  const value = problem.value === undefined ? '' : ` (value: ${problem.value})`
  const mend = problem.mend === undefined ? '' : `; ${problem.mend}`
  return `${where}:${path} ${problem.message}${value}${mend}`
}

/** One line per problem. */
export function formatProblems(problems: readonly Problem[]): string {
  return problems.map(formatProblem).join('\n')
}

/** Of problems of one file: in the order of the text. */
export function inTextOrder(problems: readonly Problem[]): Problem[] {
  return [...problems].sort((a, b) => a.line - b.line || a.column - b.column)
}

const VALUE_MAX_CHARS = 80

export function shortened(text: string): string {
  return text.length <= VALUE_MAX_CHARS ? text : `${text.slice(0, VALUE_MAX_CHARS)}...`
}
