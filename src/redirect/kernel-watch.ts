// Tells when devices or addresses of this network namespace change, and when something of ours is taken away. Without it
// a device that was made anew would stay without programs, and an endpoint whose filters somebody removed would be open,
// until the next look.
import koffi from 'koffi'
import {
  ChangeCollector,
  type KernelChanges,
  RTM_DELADDR,
  RTM_DELLINK,
  RTM_DELQDISC,
  RTM_DELROUTE,
  RTM_DELRULE,
  RTM_DELTFILTER,
  RTM_NEWADDR,
} from './kernel-changes.ts'
import { RTM_NEWLINK } from './links.ts'
import { NETFILTER_TABLE } from './netfilter.ts'
import { type FilterInstruction, NotificationSocket } from './notification-socket.ts'
import { NETLINK_ROUTE } from './rtnetlink.ts'
import { ROUTE_TABLE, RULE_PRIORITIES } from './steering.ts'

/** RTNLGRP_LINK, TC, IPV4_IFADDR, IPV4_ROUTE, IPV4_RULE, IPV6_IFADDR, IPV6_ROUTE, IPV6_RULE */
const ROUTE_GROUPS = [1, 4, 5, 7, 8, 9, 11, 19]
const NETLINK_NETFILTER = 12
/** NFNLGRP_NFTABLES */
const NETFILTER_GROUPS = [7]

/** How long `close` may have to wait: a poll under way cannot be interrupted. */
const POLL_MS = 100
const POLLIN = 1
const POLLFD_BYTES = 8

const poll = koffi.load(null).func('int poll(void *fds, unsigned long count, int timeout_ms)')

export class KernelWatch {
  readonly #sockets: readonly NotificationSocket[]
  /** struct pollfd of each socket. */
  readonly #polled: Buffer
  readonly #collector = new ChangeCollector({
    rulePriorities: RULE_PRIORITIES,
    routeTable: Number(ROUTE_TABLE),
    netfilterTable: NETFILTER_TABLE,
  })
  readonly #onChange: (changes: KernelChanges) => void
  #isClosed = false

  /**
   * `onChange` is called with all that has gathered, in a later turn or by `deliver`.
   * @throws WeirError KERNEL_CALL_FAILED
   */
  constructor(onChange: (changes: KernelChanges) => void) {
    this.#onChange = onChange
    const route = new NotificationSocket({
      protocol: NETLINK_ROUTE,
      groups: ROUTE_GROUPS,
      filter: routeFilter(),
    })
    this.#sockets = [route, ...netfilterSocket()]
    this.#polled = pollList(this.#sockets)
    this.#wait()
  }

  /** Call `onChange` now for what the kernel has told until now. */
  deliver(): void {
    if (this.#isClosed) return
    for (const socket of this.#sockets) {
      const { messages, isLossy } = socket.read()
      for (const message of messages) this.#collector.add(message)
      if (isLossy) this.#collector.addLoss()
    }
    const changes = this.#collector.take()
    if (changes !== undefined) this.#onChange(changes)
  }

  /** No call of `onChange` follows. The process stays alive until the wait under way ends, 0.1 s at most. */
  close(): void {
    this.#isClosed = true
  }

  /** Blocks one thread of libuv's pool, not the loop. */
  #wait(): void {
    poll.async(this.#polled, this.#sockets.length, POLL_MS, (_error: unknown, ready: number) => {
      if (this.#isClosed) {
        for (const socket of this.#sockets) socket.close()
        return
      }
      if (ready > 0) this.deliver()
      this.#wait()
    })
  }
}

function pollList(sockets: readonly NotificationSocket[]): Buffer {
  const list = Buffer.alloc(POLLFD_BYTES * sockets.length)
  for (const [i, { fd }] of sockets.entries()) {
    list.writeInt32LE(fd, i * POLLFD_BYTES)
    list.writeInt16LE(POLLIN, i * POLLFD_BYTES + 4)
  }
  return list
}

/** None where the kernel has no nf_tables: nothing of ours is there then. */
function netfilterSocket(): NotificationSocket[] {
  try {
    return [new NotificationSocket({ protocol: NETLINK_NETFILTER, groups: NETFILTER_GROUPS })]
  } catch {
    return []
  }
}

/**
 * Routes come and go by the thousand on a router, and filters of ours with each endpoint. So the kernel hands over only
 * what `ChangeCollector` looks at; of routes those of tables beyond 255.
 */
function routeFilter(): FilterInstruction[] {
  const types = [
    RTM_NEWLINK,
    RTM_DELLINK,
    RTM_NEWADDR,
    RTM_DELADDR,
    RTM_DELRULE,
    RTM_DELQDISC,
    RTM_DELTFILTER,
  ]
  const [loadHalf, loadByte, jumpIfEqual, answer] = [0x28, 0x30, 0x15, 0x06]
  const [typeOffset, tableOffset] = [4, 20]
  const RT_TABLE_COMPAT = 252
  const all = 0xffff_ffff
  // Netlink is in host order, and a load turns it round.
  const swapped = (value: number): number => ((value & 0xff) << 8) | (value >> 8)
  const toAccept = (i: number): number => types.length - i + 3
  return [
    [loadHalf, 0, 0, typeOffset],
    ...types.map((type, i): FilterInstruction => [jumpIfEqual, toAccept(i), 0, swapped(type)]),
    [jumpIfEqual, 0, 2, swapped(RTM_DELROUTE)],
    [loadByte, 0, 0, tableOffset],
    [jumpIfEqual, 1, 0, RT_TABLE_COMPAT],
    [answer, 0, 0, 0],
    [answer, 0, 0, all],
  ]
}
