// The map weir_endpoints: which address belongs to which endpoint. What this process or an earlier one wrote there is
// known by heart: to walk the map for each endpoint that is set up would make a thousand of them quadratic.
import { formatAddress, parseAddress } from '../lib/address.ts'
import { asEndpointId, type EndpointId, type Identity } from '../lib/brands.ts'
import { BpfMap } from './bpf-map.ts'
import { addressLayout, endpointLayout } from './layouts.ts'

export class EndpointAddresses {
  private readonly map: BpfMap
  /** By their canonical text. */
  private readonly owners = new Map<string, EndpointId>()
  private readonly addresses = new Map<EndpointId, Set<string>>()

  constructor(bpffsDir: string) {
    this.map = BpfMap.openPinned(bpffsDir, 'weir_endpoints', addressLayout.bytes, endpointLayout.bytes)
    for (const [key, value] of this.map.entries()) {
      const address = formatAddress(addressLayout.decode(key).address)
      this.remember(address, asEndpointId(endpointLayout.decode(value).endpoint))
    }
  }

  /** These and no others; one that another endpoint had is taken from it. @throws WeirError MAP_FULL */
  set(id: EndpointId, identity: Identity, addresses: readonly string[]): void {
    const wanted = new Set(addresses.map((address) => formatAddress(parseAddress(address))))
    const value = endpointLayout.encode({ endpoint: id, identity })
    for (const address of wanted) {
      this.map.update(keyOf(address), value)
      this.remember(address, id)
    }
    for (const address of this.addresses.get(id) ?? []) if (!wanted.has(address)) this.drop(address, id)
  }

  remove(id: EndpointId): void {
    for (const address of this.addresses.get(id) ?? []) this.drop(address, id)
    this.addresses.delete(id)
  }

  close(): void {
    this.map.close()
  }

  private remember(address: string, id: EndpointId): void {
    const former = this.owners.get(address)
    if (former !== undefined && former !== id) this.addresses.get(former)?.delete(address)
    this.owners.set(address, id)
    const own = this.addresses.get(id)
    if (own === undefined) this.addresses.set(id, new Set([address]))
    else own.add(address)
  }

  private drop(address: string, id: EndpointId): void {
    this.map.delete(keyOf(address))
    this.owners.delete(address)
    this.addresses.get(id)?.delete(address)
  }
}

function keyOf(address: string): Buffer {
  return addressLayout.encode({ address: parseAddress(address) })
}
