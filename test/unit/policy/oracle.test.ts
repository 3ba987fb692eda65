// For random policies and every flow of a small universe, three answers must agree: the kernel's look-ups over
// the map entries, the proxy's over the port policies, and the meaning of the YAML spelt out by brute force.
import fc from 'fast-check'
import t from 'tap'
import { PORTS, rawDocuments, textOf } from '../../helpers/policy-arbitraries.ts'
import { expectation, type OracleFlow, type Party, type RawDocument } from '../../helpers/policy-oracle.ts'
import type { AnyRequest } from '../../helpers/policy-simulation.ts'
import { PolicyWorld, type WorldEndpoint } from '../../helpers/policy-world.ts'

const WORKLOADS: Record<string, Party & WorldEndpoint> = {
  bare: { namespace: 'n', labels: {}, ports: { web: 80 } },
  a: { namespace: 'n', labels: { app: 'a' }, ports: { web: 81, other: 443 } },
  ab: { namespace: 'n', labels: { app: 'a', tier: 'b' } },
  b: { namespace: 'm', labels: { app: 'b' }, namespaceLabels: { team: 'x' }, ports: { web: 80 } },
}
const ADDRESSES = ['10.1.1.1', '10.1.2.1', '10.2.0.1', '192.0.2.1', '203.0.113.1', '2001:db8::1', 'fd00::1']
const PARTIES: Record<string, Party> = {
  ...WORKLOADS,
  host: { entity: 'host' },
  'remote-node': { entity: 'remote-node' },
  'kube-apiserver': { entity: 'kube-apiserver' },
  ...Object.fromEntries(ADDRESSES.map((address) => [address, { address }])),
}
const REQUESTS: readonly AnyRequest[] = [
  { method: 'GET', path: '/a' },
  { method: 'POST', path: '/a' },
  { method: 'PUT', path: '/b' },
  { method: 'GET', path: '/a/x' },
  { apiKey: 0, clientId: 'c', topic: 'a', group: undefined },
  { apiKey: 1, clientId: 'd', topic: 'ab', group: 'g' },
  { apiKey: 3, clientId: 'c', topic: undefined, group: undefined },
  { apiKey: 1, clientId: 'c', topic: 'b', group: 'h' },
]
// Beside the ports that policies name, their neighbours and one in the middle of nowhere.
const FLOW_PORTS = [...new Set([...PORTS.flatMap((port) => [port - 1, port, port + 1]), 30_000])].filter(
  (port) => port > 0 && port <= 65_535,
)
const PROTOCOLS = ['TCP', 'UDP', 'SCTP', 'ICMP', 'ICMPv6'] as const
const TYPES = [0, 1, 8, 128]

function* flows(): Iterable<{ subject: string; peer: string; flow: OracleFlow }> {
  for (const [subject, party] of Object.entries(WORKLOADS)) {
    for (const [peer, peerParty] of Object.entries(PARTIES)) {
      for (const direction of ['ingress', 'egress'] as const) {
        for (const protocol of PROTOCOLS) {
          for (const port of protocol.startsWith('ICMP') ? TYPES : FLOW_PORTS) {
            yield { subject, peer, flow: { subject: party, peer: peerParty, direction, protocol, port } }
          }
        }
      }
    }
  }
}

const FLOWS = [...flows()]

function checkAll(world: PolicyWorld, policies: readonly RawDocument[]): void {
  for (const { subject, peer, flow } of FLOWS) {
    const expected = expectation(policies, flow, REQUESTS)
    const port = `${flow.port}/${flow.protocol}`
    const where = `${subject} ${flow.direction} ${peer} ${port}`
    const verdict = world.verdict(subject, flow.direction, peer, port)
    if (verdict !== expected.verdict)
      throw new Error(`${where}: kernel ${verdict}, meant ${expected.verdict}`)
    if (flow.protocol !== 'TCP') continue
    // Without rules for requests every request fares the same.
    const asked = expected.verdict === 'redirect' ? REQUESTS : REQUESTS.slice(0, 1)
    asked.forEach((request, i) => {
      const allowed = world.allows(subject, flow.direction, peer, port, request)
      if (allowed !== expected.allowed[i]) {
        throw new Error(`${where} ${JSON.stringify(request)}: proxy ${allowed}, meant ${expected.allowed[i]}`)
      }
    })
  }
}

t.test('kernel, proxy and meaning agree on every flow', async () => {
  fc.assert(
    fc.property(rawDocuments, (policies) => {
      const world = new PolicyWorld(WORKLOADS)
      world.setPolicies(...policies.map(textOf))
      checkAll(world, policies)
    }),
    { numRuns: Number(process.env['WEIR_ORACLE_RUNS'] ?? 60) },
  )
})
