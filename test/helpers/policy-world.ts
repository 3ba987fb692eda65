// A small world for policy tests: endpoints by name, policies as text, verdicts of flows between them.
import { asEndpointId, asIdentity, type EndpointId, type Identity } from '../../src/lib/brands.ts'
import { parseCiliumPolicies, type ParsedPolicies } from '../../src/policy/cilium/parse.ts'
import { LocalIdentityAllocator } from '../../src/policy/identity-allocator.ts'
import { RESERVED_IDENTITIES, type ReservedName } from '../../src/policy/identity.ts'
import { endpointLabels } from '../../src/policy/labels.ts'
import type { Direction } from '../../src/policy/network-policy.ts'
import { formatProblems } from '../../src/policy/problem.ts'
import { PolicyRepository, type EndpointPolicy, type PolicyChange } from '../../src/policy/repository.ts'
import type { ParsedPolicy } from '../../src/policy/rule-model.ts'
import { kernelVerdict, proxyAllows, type Flow, type Request } from './policy-simulation.ts'

/** Stands for the admission of the proxy's engine, with that of the language. */
export function validateRegex(pattern: string): string | undefined {
  try {
    new RegExp(pattern)
    return undefined
  } catch (error) {
    return (error as Error).message
  }
}

export function parse(text: string, file = 'policy.yaml'): ParsedPolicies {
  return parseCiliumPolicies(text, file, { validateRegex })
}

/** @throws Error naming every problem. */
export function parseGood(text: string, file?: string): readonly ParsedPolicy[] {
  const { policies, problems } = parse(text, file)
  if (problems.length > 0) throw new Error(formatProblems(problems))
  return policies
}

/** A document around `spec`, which is YAML in flow style. */
export function policyText(spec: unknown, name = 'p', namespace = 'n'): string {
  const metadata = { name, namespace }
  return JSON.stringify({ apiVersion: 'cilium.io/v2', kind: 'CiliumNetworkPolicy', metadata, spec })
}

export interface WorldEndpoint {
  readonly namespace?: string
  readonly labels: Readonly<Record<string, string>>
}

export class PolicyWorld {
  readonly repository = new PolicyRepository()
  readonly #allocator = new LocalIdentityAllocator()
  readonly #ids = new Map<string, EndpointId>()
  readonly #identities = new Map<string, Identity>()
  #nextId = 1

  constructor(endpoints: Readonly<Record<string, WorldEndpoint>> = {}) {
    for (const [name, endpoint] of Object.entries(endpoints)) this.setEndpoint(name, endpoint)
  }

  setEndpoint(name: string, { namespace = 'n', labels }: WorldEndpoint): PolicyChange {
    const id = this.#ids.get(name) ?? asEndpointId(this.#nextId++)
    const set = endpointLabels(namespace, labels)
    const [identity = asIdentity(0)] = this.#allocator.allocate([set])
    this.#ids.set(name, id)
    this.#identities.set(name, identity)
    const addresses = [`10.0.0.${id}`]
    return this.repository.update({ setEndpoints: [{ id, identity, labels: set, addresses }] })
  }

  removeEndpoint(name: string): PolicyChange {
    const id = this.idOf(name)
    this.#ids.delete(name)
    this.#identities.delete(name)
    return this.repository.update({ removeEndpoints: [id] })
  }

  setPolicies(...texts: string[]): PolicyChange {
    return this.repository.update({ setPolicies: texts.flatMap((text) => parseGood(text)) })
  }

  idOf(name: string): EndpointId {
    const id = this.#ids.get(name)
    if (id === undefined) throw new Error(`no endpoint ${name}`)
    return id
  }

  /** Of an endpoint, or of a reserved name such as `world`. */
  identityOf(name: string): Identity {
    return this.#identities.get(name) ?? asIdentity(RESERVED_IDENTITIES[name as ReservedName])
  }

  policyOf(name: string): EndpointPolicy {
    const policy = this.repository.endpointPolicy(this.idOf(name))
    if (policy === undefined) throw new Error(`no policy for ${name}`)
    return policy
  }

  /** What the kernel does with a flow of `subject`, seen from there. `port`: `80`, `53/UDP`, `0/ICMP`. */
  verdict(subject: string, direction: Direction, peer: string, port: string): string {
    return kernelVerdict(this.policyOf(subject).mapEntries, this.#flow(direction, peer, port))
  }

  /** Whether the proxy lets a request pass in one direction. */
  allows(subject: string, direction: Direction, peer: string, port: string, request: Request): boolean {
    return proxyAllows(this.policyOf(subject).networkPolicy, this.#flow(direction, peer, port), request)
  }

  #flow(direction: Direction, peer: string, text: string): Flow {
    const [port = '', protocol = 'TCP'] = text.split('/')
    const numbers: Record<string, number> = { TCP: 6, UDP: 17, SCTP: 132, ICMP: 1 }
    return { peer: this.identityOf(peer), direction, protocol: numbers[protocol] ?? 0, port: Number(port) }
  }
}
