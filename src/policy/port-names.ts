// Which ports local endpoints give names to, by identity.
import type { EndpointId, Identity } from '../lib/brands.ts'
import { portTableKey } from './filter.ts'
import type { PortName } from './rule-model.ts'

export interface PortNamer {
  readonly id: EndpointId
  readonly identity: Identity
  readonly ports?: readonly PortName[]
}

export class PortNames {
  readonly #byIdentity = new Map<Identity, Map<EndpointId, readonly PortName[]>>()
  /** What endpoints that left named, for identities that their addresses may still have. */
  readonly #kept = new Map<Identity, PortName[]>()
  /** Of each identity; undefined = to be made. */
  readonly #tables = new Map<Identity, readonly PortName[]>()

  /** An endpoint comes, goes or differs. True when an identity has other names now. */
  move(before: PortNamer | undefined, after: PortNamer | undefined): boolean {
    const concerned = [...new Set([before?.identity, after?.identity])].filter((one) => one !== undefined)
    const old = concerned.map((identity) => portTableKey(this.portsOf(identity)))
    if (before !== undefined) this.#forget(before)
    if (after?.ports !== undefined && after.ports.length > 0) this.#remember(after, after.ports)
    return concerned.some((identity, i) => portTableKey(this.portsOf(identity)) !== old[i])
  }

  /** Until `release`, names of the identities outlive the endpoints that gave them. */
  hold(identities: readonly Identity[]): void {
    for (const identity of identities) if (!this.#kept.has(identity)) this.#kept.set(identity, [])
  }

  /** The reverse of `hold`. True when an identity has other names now. */
  release(identities: readonly Identity[]): boolean {
    const old = identities.map((identity) => portTableKey(this.portsOf(identity)))
    for (const identity of identities) {
      this.#kept.delete(identity)
      this.#tables.delete(identity)
    }
    return identities.some((identity, i) => portTableKey(this.portsOf(identity)) !== old[i])
  }

  /** What any endpoint of the identity names, or named if it is held, without repetitions, sorted. */
  portsOf(identity: Identity): readonly PortName[] {
    const known = this.#tables.get(identity)
    if (known !== undefined) return known
    const unique = new Map<string, PortName>()
    const named = [...(this.#byIdentity.get(identity)?.values() ?? [])].flat()
    for (const port of [...named, ...(this.#kept.get(identity) ?? [])]) {
      unique.set(portTableKey([port]), port)
    }
    const table = [...unique].sort(([a], [b]) => (a < b ? -1 : 1)).map(([, port]) => port)
    if (table.length > 0) this.#tables.set(identity, table)
    return table
  }

  /** Identities whose endpoints name any port, or did while they were held, sorted. */
  withPorts(): readonly Identity[] {
    const kept = [...this.#kept].filter(([, ports]) => ports.length > 0).map(([identity]) => identity)
    return [...new Set([...this.#byIdentity.keys(), ...kept])].sort((a, b) => a - b)
  }

  #remember({ id, identity }: PortNamer, ports: readonly PortName[]): void {
    const tables = this.#byIdentity.get(identity) ?? new Map<EndpointId, readonly PortName[]>()
    this.#byIdentity.set(identity, tables.set(id, ports))
    this.#tables.delete(identity)
  }

  #forget({ id, identity }: PortNamer): void {
    const tables = this.#byIdentity.get(identity)
    this.#kept.get(identity)?.push(...(tables?.get(id) ?? []))
    tables?.delete(id)
    if (tables?.size === 0) this.#byIdentity.delete(identity)
    this.#tables.delete(identity)
  }
}
