// A small world for policy tests: endpoints by name, policies as text, verdicts of flows between them.
import { contains, parsePrefix } from '../../src/lib/address.ts'
import { asEndpointId, asIdentity, type EndpointId, type Identity } from '../../src/lib/brands.ts'
import { parsePolicies, type ParsedPolicies } from '../../src/policy/parse.ts'
import { LocalIdentityAllocator } from '../../src/policy/identity-allocator.ts'
import {
  LOCAL_RANGE,
  RESERVED_IDENTITIES,
  WORLD_IDENTITY,
  type ReservedName,
} from '../../src/policy/identity.ts'
import { endpointLabels, LabelSet } from '../../src/policy/labels.ts'
import type { Direction } from '../../src/policy/network-policy.ts'
import { formatProblems } from '../../src/policy/problem.ts'
import type { EndpointPolicy, PolicyChange } from '../../src/policy/repository.ts'
import type { ParsedPolicy, PolicyKind } from '../../src/policy/rule-model.ts'
import { PolicyTransitions } from '../../src/policy/transition.ts'
import { kernelVerdict, proxyAllows, type AnyRequest, type Flow } from './policy-simulation.ts'

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
  return parsePolicies(text, file, { validateRegex })
}

/** @throws Error naming every problem. */
export function parseGood(text: string, file?: string): readonly ParsedPolicy[] {
  const { policies, problems } = parse(text, file)
  if (problems.length > 0) throw new Error(formatProblems(problems))
  return policies
}

/** A document around `spec`, which is YAML in flow style. */
export function policyText(spec: unknown, name = 'p', namespace = 'n'): string {
  return documentText('CiliumNetworkPolicy', spec, { name, namespace })
}

const API_VERSIONS: Readonly<Record<PolicyKind, string>> = {
  CiliumNetworkPolicy: 'cilium.io/v2',
  CiliumClusterwideNetworkPolicy: 'cilium.io/v2',
  NetworkPolicy: 'networking.k8s.io/v1',
  ClusterNetworkPolicy: 'policy.networking.k8s.io/v1alpha2',
}

export function documentText(kind: PolicyKind, spec: unknown, metadata: unknown): string {
  return JSON.stringify({ apiVersion: API_VERSIONS[kind], kind, metadata, spec })
}

export interface WorldEndpoint {
  readonly namespace?: string
  readonly labels: Readonly<Record<string, string>>
  readonly namespaceLabels?: Readonly<Record<string, string>>
  /** By name; TCP. */
  readonly ports?: Readonly<Record<string, number>>
}

const PROTOCOL_NUMBERS: Readonly<Record<string, number>> = { TCP: 6, UDP: 17, SCTP: 132, ICMP: 1, ICMPv6: 58 }

export class PolicyWorld {
  readonly transitions = new PolicyTransitions(new LocalIdentityAllocator(undefined, LOCAL_RANGE))
  readonly repository = this.transitions.repository
  readonly #allocator = new LocalIdentityAllocator()
  readonly #ids = new Map<string, EndpointId>()
  readonly #identities = new Map<string, Identity>()
  #nextId = 1

  constructor(endpoints: Readonly<Record<string, WorldEndpoint>> = {}) {
    for (const [name, endpoint] of Object.entries(endpoints)) this.setEndpoint(name, endpoint)
  }

  setEndpoint(
    name: string,
    { namespace = 'n', labels, namespaceLabels, ports = {} }: WorldEndpoint,
  ): PolicyChange {
    const id = this.#ids.get(name) ?? asEndpointId(this.#nextId++)
    const isInit = 'reserved:init' in labels
    const set = isInit ? INIT_LABELS : endpointLabels(namespace, labels, namespaceLabels)
    const [allocated = asIdentity(0)] = isInit ? [] : this.#allocator.allocate([set])
    const identity = isInit ? asIdentity(RESERVED_IDENTITIES.init) : allocated
    this.#ids.set(name, id)
    this.#identities.set(name, identity)
    const addresses = [`10.0.0.${id}`]
    const names = Object.entries(ports).map(([port, number]) => ({ name: port, protocol: 6, port: number }))
    return this.repository.update({ setEndpoints: [{ id, identity, labels: set, addresses, ports: names }] })
  }

  removeEndpoint(name: string): PolicyChange {
    const id = this.idOf(name)
    this.#ids.delete(name)
    this.#identities.delete(name)
    return this.repository.update({ removeEndpoints: [id] })
  }

  /** @returns the change that the policies make themselves, without that of prefixes before and after. */
  setPolicies(...texts: string[]): PolicyChange {
    const steps = this.transitions.update({ setPolicies: texts.flatMap((text) => parseGood(text)) })
    for (;;) {
      const { done, value } = steps.next()
      if (done === true) return value
    }
  }

  idOf(name: string): EndpointId {
    const id = this.#ids.get(name)
    if (id === undefined) throw new Error(`no endpoint ${name}`)
    return id
  }

  /** Of an endpoint, a reserved name such as `world`, or an outside address. */
  identityOf(name: string): Identity {
    if (/^[0-9a-f]*[:.][0-9a-f:.]+$/.test(name)) return this.#identityOfAddress(name)
    return this.#identities.get(name) ?? asIdentity(RESERVED_IDENTITIES[name as ReservedName])
  }

  #identityOfAddress(text: string): Identity {
    const address = parsePrefix(text)
    let best: { bits: number; identity: Identity } | undefined
    for (const [prefix, identity] of this.transitions.prefixes()) {
      const parsed = parsePrefix(prefix)
      if (contains(parsed, address) && parsed.bits > (best?.bits ?? -1))
        best = { bits: parsed.bits, identity }
    }
    return best?.identity ?? WORLD_IDENTITY
  }

  policyOf(name: string): EndpointPolicy {
    const policy = this.repository.endpointPolicy(this.idOf(name))
    if (policy === undefined) throw new Error(`no policy for ${name}`)
    return policy
  }

  /** What the kernel does with a flow of `subject`, seen from there. `port`: `80`, `53/UDP`, `8/ICMP`. */
  verdict(subject: string, direction: Direction, peer: string, port: string): string {
    return kernelVerdict(this.policyOf(subject).mapEntries, this.#flow(direction, peer, port))
  }

  /** Whether the proxy lets a request pass in one direction. */
  allows(subject: string, direction: Direction, peer: string, port: string, request: AnyRequest): boolean {
    return proxyAllows(this.policyOf(subject).networkPolicy, this.#flow(direction, peer, port), request)
  }

  #flow(direction: Direction, peer: string, text: string): Flow {
    const [port = '', protocol = 'TCP'] = text.split('/')
    return {
      peer: this.identityOf(peer),
      direction,
      protocol: PROTOCOL_NUMBERS[protocol] ?? 0,
      port: Number(port),
    }
  }
}

const INIT_LABELS = LabelSet.parse(['reserved:init'])
