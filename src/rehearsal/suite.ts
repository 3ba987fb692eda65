// Runs the cases of one suite, each as a trace.
import { dirname, relative, resolve } from 'node:path'
import { parseEndpoints, type EndpointSpec } from '../agent/endpoints-document.ts'
import type { TraceRequest__Output } from '../gen/weir/v1/TraceRequest.ts'
import type { TraceResponse__Output } from '../gen/weir/v1/TraceResponse.ts'
import { ADMISSION } from '../l7rules/admission.ts'
import { errorMessage } from '../lib/errors.ts'
import { meets } from '../lib/expectation.ts'
import { formatPort } from '../lib/protocols.ts'
import { parsePolicies } from '../policy/parse.ts'
import type { Problem } from '../policy/problem.ts'
import type { ParsedPolicy } from '../policy/rule-model.ts'
import type { TraceWorld } from '../policy/trace-world.ts'
import type { Cursor } from '../policy/yaml-cursor.ts'
import { resolveParty } from '../trace/party.ts'
import { trace } from '../trace/trace.ts'
import { joinPolicies, loadEndpoints, loadPolicies, readText } from './load.ts'
import { reported, type ReportedProblem } from './reports.ts'
import { orProblem, parseSuite, type SuiteCase, type SuiteDocument } from './suite-document.ts'
import { rehearse } from './world.ts'

export interface SuiteReport {
  readonly file: string
  /** Empty when there are problems. */
  readonly cases: readonly CaseReport[]
  readonly problems: readonly ReportedProblem[]
}

export interface CaseReport {
  readonly name: string
  readonly line: number
  readonly from: string
  readonly to: string
  /** `80/TCP`. */
  readonly port: string
  /** `GET /path`, `produce orders`; '' = none. */
  readonly request: string
  readonly expected: string
  readonly expectedRule: string
  readonly passed: boolean
  readonly got: TraceResponse__Output
}

/** @throws WeirError CONFIG_INVALID when the file cannot be read */
export async function runSuite(path: string): Promise<SuiteReport> {
  const file = relative('', path) || path
  const text = await readText(path, 'a file of policy tests')
  const { suite, problems } = parseSuite(text, file)
  const broken = (more: readonly Problem[] = []): SuiteReport => {
    return { file, cases: [], problems: reported([...problems(), ...more]) }
  }
  if (suite === undefined || problems().length > 0) return broken()
  const loaded = await load(suite, text, file, dirname(path))
  if (problems().length + loaded.problems.length > 0) return broken(loaded.problems)
  const world = rehearse(loaded.endpoints, loaded.policies)
  const cases = suite.cases.flatMap((one) => runCase(one, world) ?? [])
  return problems().length > 0 ? broken() : { file, cases, problems: [] }
}

interface Loaded {
  readonly endpoints: readonly EndpointSpec[]
  readonly policies: readonly ParsedPolicy[]
  readonly problems: readonly Problem[]
}

/** Paths are relative to the file that names them. */
async function load(suite: SuiteDocument, text: string, file: string, folder: string): Promise<Loaded> {
  const problems: Problem[] = []
  const endpoints = await orProblemLater(suite.endpointsAt, async () => {
    const { endpointsAt: at } = suite
    if (at.isText) return loadEndpoints(resolve(folder, at.string() ?? ''))
    return within(at, parseEndpoints(at.cutOut(text), file, false))
  })
  const parsed: Pick<Loaded, 'policies' | 'problems'>[] = []
  for (const at of suite.policiesAt) {
    const some = await orProblemLater(at, async () => {
      if (at.isText) return loadPolicies([resolve(folder, at.string() ?? '')])
      return within(at, parsePolicies(at.cutOut(text), file, ADMISSION))
    })
    if (some !== undefined) parsed.push(some)
  }
  const joined = joinPolicies(parsed)
  problems.push(...(endpoints?.problems ?? []), ...joined.problems)
  return { endpoints: endpoints?.endpoints ?? [], policies: joined.policies, problems }
}

/** Paths of problems begin at the suite. */
function within<T extends { readonly problems: readonly Problem[] }>({ path }: Cursor, parsed: T): T {
  const problems = parsed.problems.map((problem) => {
    const rest = problem.path === '' || problem.path.startsWith('[') ? problem.path : `.${problem.path}`
    return { ...problem, path: `${path}${rest}` }
  })
  return { ...parsed, problems }
}

async function orProblemLater<T>(at: Cursor, run: () => Promise<T>): Promise<T | undefined> {
  try {
    return await run()
  } catch (error) {
    return at.fail(errorMessage(error))
  }
}

function runCase(one: SuiteCase, world: TraceWorld): CaseReport | undefined {
  const { name, line, from, to, port, http, kafka, expect, rule, at } = one
  const ends = [
    orProblem(at.from, () => resolveParty(from, world)),
    orProblem(at.to, () => resolveParty(to, world)),
  ]
  if (ends.includes(undefined)) return undefined
  const request: TraceRequest__Output = {
    from,
    to,
    ...port,
    http: http === undefined ? null : { ...http, headers: [...http.headers], encodedSlash: '' },
    kafka: kafka === undefined ? null : { ...kafka, topics: [...kafka.topics] },
  }
  const got = orProblem(at.request ?? at.to, () => trace(request, world))
  if (got === undefined) return undefined
  return {
    name,
    line,
    from,
    to,
    port: formatPort(port),
    request: requestText(one),
    expected: expect,
    expectedRule: rule ?? '',
    passed: meets(got.outcome, expect) && (rule === undefined || isNamed(got.rule?.name ?? '', rule)),
    got,
  }
}

function requestText({ http, kafka }: SuiteCase): string {
  if (http !== undefined) return `${http.method} ${http.path}`
  return kafka === undefined ? '' : [kafka.apiKey, ...kafka.topics].join(' ')
}

/** `default/p` names every rule of it, `default/p ingress[0]` not `default/p ingress[01]`. */
function isNamed(name: string, wanted: string): boolean {
  return name === wanted || (name.startsWith(wanted) && /^[ .[]/.test(name.slice(wanted.length)))
}
