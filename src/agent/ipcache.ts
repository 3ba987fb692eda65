// Which identity each address has, in the kernel: kept equal to what is wanted.
import { formatPrefix, parsePrefix } from '../lib/address.ts'
import type { Identity } from '../lib/brands.ts'
import { HOST_IDENTITY } from '../policy/identity.ts'
import type { Datapath } from '../redirect/datapath-api.ts'

export interface WantedAddresses {
  readonly prefixes: ReadonlyMap<string, Identity>
  readonly host: readonly string[]
  readonly endpoints: readonly (readonly [address: string, identity: Identity])[]
}

export class Ipcache {
  readonly #datapath: Pick<Datapath, 'setIpcache' | 'deleteIpcache' | 'listIpcache'>
  /** undefined = to be read from the kernel. */
  #current: ReadonlyMap<string, Identity> | undefined

  constructor(datapath: Pick<Datapath, 'setIpcache' | 'deleteIpcache' | 'listIpcache'>) {
    this.#datapath = datapath
  }

  /** Identities that addresses have at present, also from an earlier agent. */
  identities(): Set<Identity> {
    return new Set(this.#read().values())
  }

  update({ prefixes, host, endpoints }: WantedAddresses): void {
    const current = this.#read()
    // Later ones win: an endpoint is never taken for the prefix that a policy means by its address.
    const wanted = new Map(prefixes)
    for (const address of host) wanted.set(hostPrefix(address), HOST_IDENTITY)
    for (const [address, identity] of endpoints) wanted.set(hostPrefix(address), identity)
    for (const [prefix, identity] of wanted) {
      if (current.get(prefix) !== identity) this.#datapath.setIpcache(prefix, identity)
    }
    for (const prefix of current.keys()) {
      if (!wanted.has(prefix)) this.#datapath.deleteIpcache(prefix)
    }
    this.#current = wanted
  }

  #read(): ReadonlyMap<string, Identity> {
    this.#current ??= new Map(this.#datapath.listIpcache().map(({ prefix, identity }) => [prefix, identity]))
    return this.#current
  }
}

function hostPrefix(address: string): string {
  return formatPrefix(parsePrefix(address))
}
