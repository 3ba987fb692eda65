// Commands that answer from files, without an agent. src/main.ts knows who does it.
import type { TraceRequest__Output } from '../gen/weir/v1/TraceRequest.ts'
import type { TraceResponse__Output } from '../gen/weir/v1/TraceResponse.ts'

export interface Rehearsal {
  readonly validatePolicies: (paths: readonly string[]) => Promise<ValidationReport>
  readonly traceOffline: (
    request: TraceRequest__Output,
    files: { readonly endpoints: string; readonly policies: readonly string[] },
  ) => Promise<TraceResponse__Output>
  readonly testPolicies: (suites: readonly string[]) => Promise<readonly SuiteReport[]>
}

export interface ReportedProblem {
  /** The whole, on one line. */
  readonly text: string
}

export interface ValidationReport {
  readonly files: number
  readonly policies: readonly string[]
  readonly problems: readonly ReportedProblem[]
  /** Of what is admitted. */
  readonly warnings: readonly { readonly code: string; readonly text: string }[]
}

export interface SuiteReport {
  readonly file: string
  readonly cases: readonly CaseReport[]
  readonly problems: readonly ReportedProblem[]
}

export interface CaseReport {
  readonly name: string
  readonly line: number
  readonly from: string
  readonly to: string
  readonly port: string
  readonly request: string
  readonly expected: string
  /** '' = any. */
  readonly expectedRule: string
  readonly passed: boolean
  readonly got: TraceResponse__Output
}
