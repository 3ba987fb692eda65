// For random policies and every flow of a small universe, three answers must agree: the kernel's look-ups over
// the map entries, the proxy's over the port policies, and the meaning of the YAML spelt out by brute force.
import fc from 'fast-check'
import t from 'tap'
import { PORTS, rawPolicies } from '../../helpers/policy-arbitraries.ts'
import { expectation, type OracleFlow, type Party, type RawPolicy } from '../../helpers/policy-oracle.ts'
import { PolicyWorld, policyText } from '../../helpers/policy-world.ts'

const WORKLOADS: Record<string, { namespace: string; labels: Record<string, string> }> = {
  bare: { namespace: 'n', labels: {} },
  a: { namespace: 'n', labels: { app: 'a' } },
  ab: { namespace: 'n', labels: { app: 'a', tier: 'b' } },
  b: { namespace: 'm', labels: { app: 'b' } },
}
const PARTIES: Record<string, Party> = { ...WORKLOADS, host: { entity: 'host' }, world: { entity: 'world' } }
const REQUESTS = [
  { method: 'GET', path: '/a' },
  { method: 'POST', path: '/a' },
  { method: 'PUT', path: '/b' },
  { method: 'GET', path: '/a/x' },
]
// Beside the ports that policies name, their neighbours and one in the middle of nowhere.
const FLOW_PORTS = [...new Set([...PORTS.flatMap((port) => [port - 1, port, port + 1]), 30_000])].filter(
  (port) => port > 0 && port <= 65_535,
)
const PROTOCOLS = ['TCP', 'UDP', 'SCTP', 'ICMP'] as const

function* flows(): Iterable<{ subject: string; peer: string; flow: OracleFlow }> {
  for (const [subject, party] of Object.entries(WORKLOADS)) {
    for (const [peer, peerParty] of Object.entries(PARTIES)) {
      for (const direction of ['ingress', 'egress'] as const) {
        for (const protocol of PROTOCOLS) {
          for (const port of protocol === 'ICMP' ? [0] : FLOW_PORTS) {
            yield { subject, peer, flow: { subject: party, peer: peerParty, direction, protocol, port } }
          }
        }
      }
    }
  }
}

function checkAll(world: PolicyWorld, policies: readonly RawPolicy[]): void {
  for (const { subject, peer, flow } of flows()) {
    const expected = expectation(policies, flow, REQUESTS)
    const port = `${flow.port}/${flow.protocol}`
    const where = `${subject} ${flow.direction} ${peer} ${port}`
    const verdict = world.verdict(subject, flow.direction, peer, port)
    if (verdict !== expected.verdict)
      throw new Error(`${where}: kernel ${verdict}, meant ${expected.verdict}`)
    if (flow.protocol !== 'TCP') continue
    REQUESTS.forEach((request, i) => {
      const allowed = world.allows(subject, flow.direction, peer, port, request)
      if (allowed !== expected.allowed[i]) {
        throw new Error(
          `${where} ${request.method} ${request.path}: proxy ${allowed}, meant ${expected.allowed[i]}`,
        )
      }
    })
  }
}

t.test('kernel, proxy and meaning agree on every flow', async () => {
  fc.assert(
    fc.property(rawPolicies, (policies) => {
      const world = new PolicyWorld(WORKLOADS)
      world.setPolicies(...policies.map(({ name, namespace, spec }) => policyText(spec, name, namespace)))
      checkAll(world, policies)
    }),
    { numRuns: Number(process.env['WEIR_ORACLE_RUNS'] ?? 150) },
  )
})
