// `weir policy validate|trace|test` without an agent: files in, reports out. Nothing is attached or changed.
import type { TraceRequest__Output } from '../gen/weir/v1/TraceRequest.ts'
import type { TraceResponse__Output } from '../gen/weir/v1/TraceResponse.ts'
import { WeirError } from '../lib/errors.ts'
import { unreadText } from '../agent/policy-subfolders.ts'
import { formatProblems } from '../policy/problem.ts'
import { trace } from '../trace/trace.ts'
import { loadEndpoints, loadPolicies } from './load.ts'
import { reported, type ValidationReport } from './reports.ts'
import { runSuite, type SuiteReport } from './suite.ts'
import { rehearse } from './world.ts'

/** @throws WeirError CONFIG_INVALID for paths that cannot be read at all */
export async function validatePolicies(paths: readonly string[]): Promise<ValidationReport> {
  const { policies, problems, files, unread } = await loadPolicies(paths)
  return {
    files,
    policies: policies.map(({ key }) => key).sort(),
    problems: reported(problems),
    warnings: unread.map((one) => ({ code: 'POLICY_NOT_READ', text: unreadText(one) })),
  }
}

/** @throws WeirError ENDPOINTS_INVALID or POLICY_INVALID naming every problem, or what `trace` throws */
export async function traceOffline(
  request: TraceRequest__Output,
  files: { readonly endpoints: string; readonly policies: readonly string[] },
): Promise<TraceResponse__Output> {
  const { endpoints, problems } = await loadEndpoints(files.endpoints)
  if (problems.length > 0) throw new WeirError('ENDPOINTS_INVALID', formatProblems(problems))
  const policies = await loadPolicies(files.policies)
  if (policies.problems.length > 0) throw new WeirError('POLICY_INVALID', formatProblems(policies.problems))
  return trace(request, rehearse(endpoints, policies.policies))
}

/** @throws WeirError CONFIG_INVALID for a suite that cannot be read at all */
export async function testPolicies(suites: readonly string[]): Promise<SuiteReport[]> {
  const reports: SuiteReport[] = []
  for (const suite of suites) reports.push(await runSuite(suite))
  return reports
}
