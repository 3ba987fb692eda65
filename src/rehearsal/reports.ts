// Answers of the commands that need no agent, as `-o json` shows them.
import type { ErrorCode } from '../lib/errors.ts'
import { formatProblem, type Problem } from '../policy/problem.ts'

export interface ReportedProblem extends Problem {
  /** The whole, on one line. */
  readonly text: string
}

export interface ValidationReport {
  readonly files: number
  /** Keys of those that are fine. */
  readonly policies: readonly string[]
  readonly problems: readonly ReportedProblem[]
  /** What an agent would admit, and somebody should look at all the same. */
  readonly warnings: readonly ReportedWarning[]
}

export interface ReportedWarning {
  readonly code: ErrorCode
  readonly text: string
}

export function reported(problems: readonly Problem[]): ReportedProblem[] {
  return problems.map((problem) => ({ ...problem, text: formatProblem(problem) }))
}
