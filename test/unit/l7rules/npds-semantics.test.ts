import fc from 'fast-check'
import t from 'tap'
import { asEndpointId, asIdentity, asRevision } from '../../../src/lib/brands.ts'
import { EditedRequest } from '../../../src/l7rules/edited-request.ts'
import { compileSnapshot, type CompiledSnapshot } from '../../../src/l7rules/snapshot.ts'
import type { Verdict } from '../../../src/l7rules/verdict.ts'
import type { PortPolicy, PortRule } from '../../../src/policy/network-policy.ts'
import { naiveJudge, type NaiveFlow, type NaiveRequest } from './naive-judge.ts'
import { flow, request, world } from './policies.ts'
import { makeRequest } from './requests.ts'

const ALL_MODES = world({ modes: ['enforce', 'audit', 'shadow'] })
const ENFORCED = world({ modes: ['enforce'] })
const OPEN: PortPolicy[] = [{ port: 0, endPort: 0, rules: [] }]
const NUM_RUNS = 4000

function compile(ingress: readonly PortPolicy[], egress: readonly PortPolicy[] = OPEN): CompiledSnapshot {
  return compileSnapshot({
    revision: asRevision(1),
    policies: [{ endpointId: asEndpointId(1), endpointIps: [], ingress, egress }],
    endpoints: [],
    identities: [],
  })
}

function ask(snapshot: CompiledSnapshot, { port, peer, proxyId }: NaiveFlow, parts: NaiveRequest): Verdict {
  const connection = snapshot.connection({
    egressEndpoint: 0,
    ingressEndpoint: asEndpointId(1),
    sourceIdentity: asIdentity(peer),
    destinationIdentity: asIdentity(1),
    destinationPort: port,
    proxyId,
  })
  if (connection.kind === 'http') return connection.judge(makeRequest(parts))
  return connection.kind === 'kafka' ? connection.unparseable : connection.verdict
}

function edited(verdict: Verdict, parts: NaiveRequest): Record<string, readonly string[]> {
  const after = new EditedRequest(makeRequest(parts), verdict.edits ?? [])
  return Object.fromEntries((verdict.edits ?? []).map(({ name }) => [name, after.header(name)]))
}

/** Several requests per policy, so that the memo has something to get wrong. */
const cases = fc.array(fc.tuple(flow, request), { minLength: 6, maxLength: 6 })

for (const [what, { ports }] of Object.entries({ 'enforced rules': ENFORCED, 'all modes': ALL_MODES })) {
  t.test(`agrees with the naive reading: ${what}`, async (t) => {
    const property = fc.property(ports, cases, (policy, asked) => {
      const snapshot = compile(policy)
      for (const [ends, parts] of [...asked, ...asked]) {
        const verdict = ask(snapshot, ends, parts)
        const expected = naiveJudge(policy, ends, parts)
        const actual = {
          allowed: verdict.allowed,
          audit: verdict.audit !== undefined,
          headers: edited(verdict, parts),
        }
        const wanted = { allowed: expected.allowed, audit: expected.audit, headers: expected.headers }
        if (JSON.stringify(actual) !== JSON.stringify(wanted)) {
          throw new Error(JSON.stringify({ policy, ends, parts, actual, wanted }))
        }
        // A connection that is denied before anything is read has no request to rehearse.
        const isRehearsed = verdict.shadow !== undefined || verdict.allowed
        if (isRehearsed && verdict.shadow?.allowed !== expected.shadow) {
          throw new Error(JSON.stringify({ policy, ends, parts, shadow: verdict.shadow, expected }))
        }
        if (expected.allowed && !ruleIsNamed(policy, expected.rule, verdict.rule)) {
          throw new Error(JSON.stringify({ policy, ends, parts, verdict, expected }))
        }
      }
    })
    fc.assert(property, { numRuns: NUM_RUNS })
    t.pass()
  })
}

/**
 * A plain allow is named in place of the HTTP rules before it where that saves looking at requests: another
 * name is right when it is a port rule's.
 */
function ruleIsNamed(policy: readonly PortPolicy[], expected: string, actual: string): boolean {
  return (
    actual === expected ||
    actual === '' ||
    policy.some(({ rules }) => rules.some(({ name }) => name === actual))
  )
}

/** The same policy with each rule, and each HTTP rule, changed. */
function mapRules(ports: readonly PortPolicy[], change: (rule: PortRule) => PortRule[]): PortPolicy[] {
  return ports
    .map((entry) => ({ ...entry, rules: entry.rules.flatMap(change), had: entry.rules.length }))
    .filter(({ rules, had }) => had === 0 || rules.length > 0)
}

t.test('laws: what modes can never do', async (t) => {
  const property = fc.property(ALL_MODES.ports, flow, request, (policy, ends, parts) => {
    const verdict = ask(compile(policy), ends, parts)
    if (!verdict.allowed && (verdict.edits !== undefined || verdict.audit !== undefined)) {
      throw new Error('a denied request is edited, or audited')
    }
    const unshadowed = ask(compile(mapRules(policy, withoutShadow)), ends, parts)
    if (
      JSON.stringify({ ...verdict, shadow: undefined }) !==
      JSON.stringify({ ...unshadowed, shadow: undefined })
    ) {
      throw new Error(`shadow changes: ${JSON.stringify({ policy, ends, parts, verdict, unshadowed })}`)
    }
    const unaudited = ask(compile(mapRules(policy, withoutAudit)), ends, parts)
    if (unaudited.allowed && !verdict.allowed) {
      throw new Error(`audit denies: ${JSON.stringify({ policy, ends, parts })}`)
    }
  })
  fc.assert(property, { numRuns: NUM_RUNS })
  const relaxed = fc.property(
    ENFORCED.ports,
    fc.infiniteStream(fc.boolean()),
    flow,
    request,
    (policy, dice, ends, parts) => {
      const strict = ask(compile(policy), ends, parts)
      const some = mapRules(policy, (rule) => [
        dice.next().value === true ? { ...rule, mode: 'audit' } : rule,
      ])
      const audited = ask(compile(some), ends, parts)
      if (strict.allowed && !audited.allowed)
        throw new Error(`audit denies: ${JSON.stringify({ some, ends, parts })}`)
      const isSaved = audited.allowed && !strict.allowed
      if (isSaved !== (audited.audit !== undefined)) throw new Error('audit tells nothing')
    },
  )
  fc.assert(relaxed, { numRuns: NUM_RUNS })
  t.pass()
})

function withoutShadow(rule: PortRule): PortRule[] {
  return without(rule, 'shadow')
}

function withoutAudit(rule: PortRule): PortRule[] {
  return without(rule, 'audit').flatMap(withoutShadow)
}

function without(rule: PortRule, mode: 'audit' | 'shadow'): PortRule[] {
  if (rule.mode === mode) return []
  const http = rule.http?.filter((item) => item.mode !== mode)
  return [{ ...rule, http: http?.length === 0 && rule.http?.length !== 0 ? undefined : http }]
}
