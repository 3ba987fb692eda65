// Question: does the cost of judging a request depend on the number of rules? Expected: a remembered verdict
// does not (< 100 ns), an evaluated one hardly does (< 1 us warm), compiling does (linear).
// Run: npm run build && node dist/bench/parser/match.js. Prints one JSON line per case; ns are medians.
import { asEndpointId, asIdentity, asRevision } from '../../src/lib/brands.ts'
import type { HttpRule, NetworkPolicy, PortPolicy } from '../../src/policy/network-policy.ts'
import { compileHttpRules } from '../../src/l7rules/http-rules.ts'
import type { HttpRequest } from '../../src/l7rules/http1/request.ts'
import { compileSnapshot } from '../../src/l7rules/snapshot.ts'

const SIZES = [1, 10, 100, 1000, 10_000]
const ROUNDS = 9
const CALLS = 100_000
/** Different requests in turn, so that no cache holds a single one. */
const REQUESTS = 64
const HOST = 'demo.default.svc.cluster.local:8080'
const HOST_PATTERN = 'demo\\.default\\.svc\\.cluster\\.local'

/** Requests whose strings are cut from bytes anew each time, as the parser does: nothing is hashed before. */
class SlicedRequest implements HttpRequest {
  method = ''
  target = ''
  path = ''
  host = ''
  readonly #bytes: Buffer
  readonly #ends: number[] = []

  constructor(paths: readonly string[]) {
    this.#bytes = Buffer.from(paths.map((path) => `GET${path}${HOST}`).join(''), 'latin1')
    let end = 0
    for (const path of paths) this.#ends.push((end += 3), (end += path.length), (end += HOST.length))
  }

  load(index: number): void {
    const at = index * 3
    const start = at === 0 ? 0 : this.#ends[at - 1]!
    this.method = this.#bytes.toString('latin1', start, this.#ends[at])
    this.path = this.#bytes.toString('latin1', this.#ends[at], this.#ends[at + 1])
    this.host = this.#bytes.toString('latin1', this.#ends[at + 1], this.#ends[at + 2])
  }

  header(): readonly string[] {
    return []
  }
}

type Shape = 'exact' | 'prefix' | 'regex' | 'mixed'

function makeRules(shape: Shape, count: number): HttpRule[] {
  return Array.from({ length: count }, (_, i) => {
    const kind = shape === 'mixed' ? (['exact', 'prefix', 'regex'] as const)[i % 3]! : shape
    const tail = { exact: '/items/5', prefix: '/.*', regex: '/items/[0-9]+(/[a-z]+)?' }[kind]
    return {
      name: `rule ${i}`,
      method: 'GET',
      path: `/api/v1/resource${i}${tail}`,
      host: HOST_PATTERN,
      headers: [],
    }
  })
}

function medianNs(run: (calls: number) => void): number {
  const times: number[] = []
  for (let round = 0; round < ROUNDS; round++) {
    const start = process.hrtime.bigint()
    run(CALLS)
    times.push(Number(process.hrtime.bigint() - start) / CALLS)
  }
  return times.sort((a, b) => a - b)[ROUNDS >> 1]!
}

function measure(request: SlicedRequest, judge: (request: HttpRequest) => unknown): number {
  const run = (calls: number, action: () => unknown): void => {
    for (let i = 0; i < calls; i++) {
      request.load(i % REQUESTS)
      action()
    }
  }
  const base = medianNs((calls) => run(calls, () => request.path.length))
  return Math.round(medianNs((calls) => run(calls, () => judge(request))) - base)
}

function policyOf(rules: readonly HttpRule[]): NetworkPolicy {
  const port: PortPolicy = {
    port: 80,
    endPort: 80,
    rules: [{ name: 'p', precedence: 0, deny: false, remoteIdentities: undefined, http: rules }],
  }
  return { endpointId: asEndpointId(1), endpointIps: [], ingress: [port], egress: [] }
}

function bench(shape: Shape, count: number): void {
  const rules = makeRules(shape, count)
  const hits = new SlicedRequest(
    Array.from(
      { length: REQUESTS },
      (_, i) => `/api/v1/resource${Math.max(0, count - 1 - (i % count))}/items/5`,
    ),
  )
  const misses = new SlicedRequest(Array.from({ length: REQUESTS }, (_, i) => `/api/v2/nothing${i}/items/5`))
  const start = process.hrtime.bigint()
  const compiled = compileHttpRules(rules)
  hits.load(0)
  compiled.evaluate(hits)
  const compileMs = Number(process.hrtime.bigint() - start) / 1e6
  const snapshot = compileSnapshot({
    revision: asRevision(1),
    policies: [policyOf(rules)],
    endpoints: [],
    identities: [],
  })
  const connection = snapshot.connection({
    egressEndpoint: 0,
    ingressEndpoint: asEndpointId(1),
    sourceIdentity: asIdentity(2),
    destinationIdentity: asIdentity(3),
    destinationPort: 80,
  })
  if (connection.kind !== 'http') throw new Error(`expected L7 rules, got ${connection.kind}`)
  const result = {
    shape,
    rules: count,
    memoHitNs: measure(hits, connection.judge),
    memoMissedRuleNs: measure(misses, connection.judge),
    evaluateHitNs: measure(hits, (request) => compiled.evaluate(request)),
    evaluateMissNs: measure(misses, (request) => compiled.evaluate(request)),
    compileAndFirstMs: Number(compileMs.toFixed(1)),
  }
  console.log(JSON.stringify(result))
}

for (const shape of ['exact', 'prefix', 'regex', 'mixed'] as const)
  for (const size of SIZES) bench(shape, size)
