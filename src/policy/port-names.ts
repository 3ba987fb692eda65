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

  /** What any endpoint of the identity names, without repetitions, sorted. */
  portsOf(identity: Identity): readonly PortName[] {
    const known = this.#tables.get(identity)
    if (known !== undefined) return known
    const unique = new Map<string, PortName>()
    for (const port of [...(this.#byIdentity.get(identity)?.values() ?? [])].flat()) {
      unique.set(portTableKey([port]), port)
    }
    const table = [...unique].sort(([a], [b]) => (a < b ? -1 : 1)).map(([, port]) => port)
    if (table.length > 0) this.#tables.set(identity, table)
    return table
  }

  /** Identities whose endpoints name any port, sorted. */
  withPorts(): readonly Identity[] {
    return [...this.#byIdentity.keys()].sort((a, b) => a - b)
  }

  #remember({ id, identity }: PortNamer, ports: readonly PortName[]): void {
    const tables = this.#byIdentity.get(identity) ?? new Map<EndpointId, readonly PortName[]>()
    this.#byIdentity.set(identity, tables.set(id, ports))
    this.#tables.delete(identity)
  }

  #forget({ id, identity }: PortNamer): void {
    const tables = this.#byIdentity.get(identity)
    tables?.delete(id)
    if (tables?.size === 0) this.#byIdentity.delete(identity)
    this.#tables.delete(identity)
  }
}
