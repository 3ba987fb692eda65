// What notifications of the kernel say that concerns us: rtnetlink(7), and nf_tables by nfnetlink. Of what we set up
// ourselves only its going is listened to: then nothing that we do calls for another look.
import { IFLA_IFNAME, LINK_HEADER_BYTES, RTM_NEWLINK } from './links.ts'
import { attributesOf, type NetlinkMessage } from './rtnetlink.ts'

export const RTM_DELLINK = 17
export const RTM_NEWADDR = 20
export const RTM_DELADDR = 21
export const RTM_DELROUTE = 25
export const RTM_DELRULE = 33
export const RTM_DELQDISC = 37
export const RTM_DELTFILTER = 45
/** NFNL_SUBSYS_NFTABLES << 8 | NFT_MSG_DELTABLE */
const NFT_DELTABLE = 0xa02

/** struct fib_rule_hdr */
const RULE_HEADER_BYTES = 12
const FRA_PRIORITY = 6
/** struct rtmsg */
const ROUTE_HEADER_BYTES = 12
const RTA_TABLE = 15
const NETFILTER_HEADER_BYTES = 4
const NFTA_TABLE_NAME = 1

/** What of ours could be meant. */
export interface OwnSteering {
  readonly rulePriorities: readonly number[]
  readonly routeTable: number
  /** Of netfilter, in whatever family. */
  readonly netfilterTable: string
}

export interface KernelChanges {
  /** Devices that came, went or changed; by index and by name, as one may be new. */
  readonly links: { readonly indexes: ReadonlySet<number>; readonly names: ReadonlySet<string> }
  readonly hasAddresses: boolean
  /** Indexes of devices that lost a tc filter, or the qdisc that held them, whosever they were. */
  readonly unfiltered: ReadonlySet<number>
  /** A rule, a route or a table of netfilter that is ours, too, went. */
  readonly hasSteering: boolean
  /** Notifications were lost: anything may have changed. */
  readonly isIncomplete: boolean
}

/** Takes in messages until somebody takes out what they come to. */
export class ChangeCollector {
  readonly #own: OwnSteering
  #indexes = new Set<number>()
  #names = new Set<string>()
  #hasAddresses = false
  #unfiltered = new Set<number>()
  #hasSteering = false
  #isIncomplete = false

  constructor(own: OwnSteering) {
    this.#own = own
  }

  addLoss(): void {
    this.#isIncomplete = true
  }

  add({ type, body }: NetlinkMessage): void {
    if (type === RTM_NEWLINK || type === RTM_DELLINK) {
      this.#indexes.add(body.readInt32LE(4))
      const name = text(attributesOf(body, LINK_HEADER_BYTES).get(IFLA_IFNAME))
      if (name !== undefined) this.#names.add(name)
    } else if (type === RTM_NEWADDR || type === RTM_DELADDR) this.#hasAddresses = true
    else if (type === RTM_DELQDISC || type === RTM_DELTFILTER) this.#unfiltered.add(body.readInt32LE(4))
    else if (this.#isSteering({ type, body })) this.#hasSteering = true
  }

  /** undefined: nothing that concerns us. */
  take(): KernelChanges | undefined {
    const changes: KernelChanges = {
      links: { indexes: this.#indexes, names: this.#names },
      hasAddresses: this.#hasAddresses,
      unfiltered: this.#unfiltered,
      hasSteering: this.#hasSteering,
      isIncomplete: this.#isIncomplete,
    }
    this.#indexes = new Set()
    this.#names = new Set()
    this.#hasAddresses = false
    this.#unfiltered = new Set()
    this.#hasSteering = false
    this.#isIncomplete = false
    const { links, hasAddresses, unfiltered, hasSteering, isIncomplete } = changes
    const isAny = links.indexes.size + unfiltered.size > 0 || hasAddresses || hasSteering || isIncomplete
    return isAny ? changes : undefined
  }

  #isSteering({ type, body }: NetlinkMessage): boolean {
    const { rulePriorities, routeTable, netfilterTable } = this.#own
    const number = (headerBytes: number, attribute: number): number =>
      attributesOf(body, headerBytes).get(attribute)?.readUInt32LE(0) ?? 0
    if (type === RTM_DELRULE) return rulePriorities.includes(number(RULE_HEADER_BYTES, FRA_PRIORITY))
    if (type === RTM_DELROUTE) return number(ROUTE_HEADER_BYTES, RTA_TABLE) === routeTable
    if (type !== NFT_DELTABLE) return false
    return text(attributesOf(body, NETFILTER_HEADER_BYTES).get(NFTA_TABLE_NAME)) === netfilterTable
  }
}

/** Without the zero that ends it. */
function text(value: Buffer | undefined): string | undefined {
  return value?.toString('utf8').replace(/\0[^]*$/, '')
}
