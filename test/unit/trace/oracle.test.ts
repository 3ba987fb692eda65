// A trace says what the kernel and the proxy do: compared with stand-ins for both, and with the meaning of the
// policies as the brute-force oracle reads it from the YAML. Its explanation comes to the same.
import fc from 'fast-check'
import t from 'tap'
import type { EndpointSpec } from '../../../src/agent/endpoints-document.ts'
import type { TraceHttp__Output } from '../../../src/gen/weir/v1/TraceHttp.ts'
import type { TraceKafka__Output } from '../../../src/gen/weir/v1/TraceKafka.ts'
import { parsePort } from '../../../src/lib/protocols.ts'
import type { TraceWorld } from '../../../src/policy/trace-world.ts'
import { rehearse } from '../../../src/rehearsal/world.ts'
import { resolveParty, type Party as TracedParty } from '../../../src/trace/party.ts'
import { trace } from '../../../src/trace/trace.ts'
import { rawDocuments, textOf } from '../../helpers/policy-arbitraries.ts'
import { expectation, type OracleFlow, type Party, type RawDocument } from '../../helpers/policy-oracle.ts'
import {
  kernelVerdict,
  proxyAllows,
  type AnyRequest,
  type KafkaAsk,
  type Request,
} from '../../helpers/policy-simulation.ts'
import { parseGood, type WorldEndpoint } from '../../helpers/policy-world.ts'

t.setTimeout(600_000)

const WORKLOADS: Record<string, Party & WorldEndpoint> = {
  bare: { namespace: 'n', labels: {}, ports: { web: 80 } },
  ab: { namespace: 'n', labels: { app: 'a', tier: 'b' }, ports: { web: 81, other: 443 } },
  b: { namespace: 'm', labels: { app: 'b' }, namespaceLabels: { team: 'x' } },
}
const SPECS = Object.entries(WORKLOADS).map(([name, workload], i): EndpointSpec => {
  const { namespace = '', labels, namespaceLabels = {}, ports = {} } = workload
  const named = Object.entries(ports).map(([port, number]) => ({ name: port, protocol: 6, port: number }))
  return { name, namespace, labels, namespaceLabels, ports: named, devices: [], addresses: [`172.16.0.${i}`] }
})
const PARTIES: Record<string, Party> = {
  ...WORKLOADS,
  host: { entity: 'host' },
  'kube-apiserver': { entity: 'kube-apiserver' },
  '10.1.2.1': { address: '10.1.2.1' },
  '203.0.113.1': { address: '203.0.113.1' },
  'fd00::1': { address: 'fd00::1' },
}
const PORTS = ['80/TCP', '81/TCP', '443/TCP', '30000/TCP', '80/UDP', '8/ICMP', '128/ICMPv6']
const REQUESTS: AnyRequest[] = [
  { method: 'GET', path: '/a' },
  { method: 'PUT', path: '/b' },
  { apiKey: 0, clientId: 'c', topic: 'a', group: undefined },
  { apiKey: 1, clientId: 'd', topic: 'ab', group: 'g' },
]
/** Ways in which the proxy says no. */
const REFUSALS = ['403', 'unauthorized', 'reset']

interface Case {
  readonly from: string
  readonly to: string
  readonly port: string
}

function* cases(): Iterable<Case> {
  for (const from of Object.keys(PARTIES)) {
    for (const to of Object.keys(PARTIES)) {
      if (from === to || !(from in WORKLOADS || to in WORKLOADS)) continue
      for (const port of PORTS) yield { from, to, port }
    }
  }
}

/** `i` undefined = no request. */
function traced(world: TraceWorld, { from, to, port }: Case, i: number | undefined): string {
  const request = i === undefined ? undefined : REQUESTS[i]
  const isKafka = request !== undefined && 'topic' in request
  const http = request === undefined || isKafka ? null : asHttp(request)
  const kafka = isKafka ? asKafka(request) : null
  const answer = trace({ from, to, ...parsePort(port), http, kafka }, world)
  const contradiction = answer.notes.find((note) => note.includes('the rules in force come to'))
  if (contradiction !== undefined) throw new Error(`${from} -> ${to} ${port}: ${contradiction}`)
  return REFUSALS.includes(answer.outcome) ? 'refused' : answer.outcome
}

function asHttp({ method, path }: Request): TraceHttp__Output {
  return { method, path, host: '', headers: [], encodedSlash: '' }
}

function asKafka({ apiKey, clientId, topic, group = '' }: KafkaAsk): TraceKafka__Output {
  const topics = topic === undefined ? [] : [topic]
  return { apiKey: String(apiKey), apiVersion: 0, clientId, topics, group, transactionalId: '' }
}

/** What the stand-ins for kernel and proxy do. */
function enforced(world: TraceWorld, { from, to, port }: Case, i: number | undefined): string {
  const [source, destination] = [from, to].map((text) => resolveParty(text, world)) as [
    TracedParty,
    TracedParty,
  ]
  const sides = [
    { direction: 'egress' as const, endpoint: source.endpoint, peer: destination.identity },
    { direction: 'ingress' as const, endpoint: destination.endpoint, peer: source.identity },
  ].flatMap(({ endpoint, ...rest }) => {
    if (endpoint === undefined) return []
    return [{ policy: world.repository.endpointPolicy(endpoint.id)!, flow: { ...rest, ...parsePort(port) } }]
  })
  const verdicts = sides.map(({ policy, flow }) => kernelVerdict(policy.mapEntries, flow))
  if (verdicts.includes('deny')) return 'dropped'
  if (!verdicts.includes('redirect')) return 'allow'
  if (i === undefined) return 'redirect'
  return sides.every(({ policy, flow }) => proxyAllows(policy.networkPolicy, flow, REQUESTS[i]!))
    ? 'allow'
    : 'refused'
}

function meant(documents: readonly RawDocument[], { from, to, port }: Case, i: number | undefined): string {
  const [number, protocol] = port.split('/') as [string, OracleFlow['protocol']]
  const sides: OracleFlow[] = []
  const flow = { protocol, port: Number(number) }
  if (from in WORKLOADS) {
    sides.push({ ...flow, subject: PARTIES[from]!, peer: PARTIES[to]!, direction: 'egress' })
  }
  if (to in WORKLOADS) {
    sides.push({ ...flow, subject: PARTIES[to]!, peer: PARTIES[from]!, direction: 'ingress' })
  }
  const meanings = sides.map((side) => expectation(documents, side, REQUESTS))
  if (meanings.some(({ verdict }) => verdict === 'deny')) return 'dropped'
  if (!meanings.some(({ verdict }) => verdict === 'redirect')) return 'allow'
  if (i === undefined) return 'redirect'
  return meanings.every(({ allowed }) => allowed[i]) ? 'allow' : 'refused'
}

function check(documents: readonly RawDocument[]): void {
  const world = rehearse(
    SPECS,
    documents.flatMap((document) => parseGood(textOf(document))),
  )
  for (const one of cases()) {
    for (const i of one.port.endsWith('/TCP') ? [undefined, ...REQUESTS.keys()] : [undefined]) {
      const got = traced(world, one, i)
      // A connection may turn out to be open to every request, or to none.
      const answers = [enforced(world, one, i), meant(documents, one, i)]
      if (answers.every((answer) => got === answer || (answer === 'redirect' && got !== 'dropped'))) continue
      const what = `${one.from} -> ${one.to} ${one.port} ${i === undefined ? '' : JSON.stringify(REQUESTS[i])}`
      throw new Error(`${what}: traced ${got}, enforced and meant ${answers.join(' and ')}`)
    }
  }
}

t.test('trace = kernel and proxy = meaning', async () => {
  fc.assert(fc.property(rawDocuments, check), { numRuns: Number(process.env['WEIR_ORACLE_RUNS'] ?? 25) })
})
