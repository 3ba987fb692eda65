// Legacy tc (clsact) filters: they survive the death of every process and are replaced in one step.
// docs/adr/ says why not tcx.
import {
  check,
  EEXIST,
  EINVAL,
  ENODEV,
  ENOENT,
  libbpf,
  TC_HOOK_BYTES,
  TC_OPTIONS_BYTES,
  type TcHook,
  type TcOptions,
} from './libbpf.ts'
import { ask, attributesOf } from './rtnetlink.ts'

export type TcDirection = 'ingress' | 'egress'

const ATTACH_POINT = { ingress: 1, egress: 2 } as const
const BPF_TC_F_REPLACE = 1
/** Our slot on each hook. The handle marks the filter as ours together with the program's name. */
const PRIORITY = 1
const HANDLE = 0x7765
const PROGRAM_NAME_PREFIX = 'weir_'

const RTM_NEWTFILTER = 44
const RTM_GETTFILTER = 46
/** struct tcmsg */
const TC_HEADER_BYTES = 20
const TC_PARENT = { ingress: 0xffff_fff2, egress: 0xffff_fff3 } as const
const ETH_P_ALL_BE = 0x0300
const TCA_KIND = 1
const TCA_OPTIONS = 2
const TCA_BPF_NAME = 7

function hook(ifindex: number, attachPoint: number): TcHook {
  return { sz: TC_HOOK_BYTES, ifindex, attach_point: attachPoint, parent: 0 }
}

function slot(fields: Partial<TcOptions>): TcOptions {
  return {
    sz: TC_OPTIONS_BYTES,
    prog_fd: 0,
    flags: 0,
    prog_id: 0,
    handle: HANDLE,
    priority: PRIORITY,
    ...fields,
  }
}

/** 0 when no such device exists in this network namespace. */
export function interfaceIndex(device: string): number {
  return libbpf().interfaceIndex(device) as number
}

/** True when the clsact qdisc was created, false when the device had one. */
export function ensureClsact(ifindex: number): boolean {
  const result = libbpf().tcHookCreate(hook(ifindex, ATTACH_POINT.ingress | ATTACH_POINT.egress)) as number
  if (result === -EEXIST) return false
  check(`create clsact qdisc on interface ${ifindex}`, result)
  return true
}

/** Attach, or replace our program in one step: no packet meets an empty hook. */
export function attachTc(ifindex: number, direction: TcDirection, programFd: number): void {
  check(
    `attach program to tc ${direction} of interface ${ifindex}`,
    libbpf().tcAttach(
      hook(ifindex, ATTACH_POINT[direction]),
      slot({ prog_fd: programFd, flags: BPF_TC_F_REPLACE }),
    ) as number,
  )
}

/**
 * Name of our program on the hook, or undefined when none of ours is there. The filter tells it: to ask the program
 * for its name would take CAP_SYS_ADMIN.
 */
export function attachedProgram(ifindex: number, direction: TcDirection): string | undefined {
  const header = Buffer.alloc(TC_HEADER_BYTES)
  header.writeInt32LE(ifindex, 4)
  header.writeUInt32LE(HANDLE, 8)
  header.writeUInt32LE(TC_PARENT[direction], 12)
  header.writeUInt32LE(((PRIORITY << 16) | ETH_P_ALL_BE) >>> 0, 16)
  const kind: readonly [number, Buffer] = [TCA_KIND, Buffer.from('bpf\0')]
  const answer = ask({ type: RTM_GETTFILTER, fixed: header, attributes: [kind] })
  if ('errno' in answer || answer.type !== RTM_NEWTFILTER) return undefined
  const options = attributesOf(answer.body, TC_HEADER_BYTES).get(TCA_OPTIONS)
  const text = options && attributesOf(options, 0).get(TCA_BPF_NAME)?.toString('latin1')
  const name = /^[^:\0]*/.exec(text ?? '')?.[0] // libbpf calls its filters NAME:[ID]
  return name?.startsWith(PROGRAM_NAME_PREFIX) === true ? name : undefined
}

/** Remove our filter; false when it was not there. Filters of others stay. */
export function detachTc(ifindex: number, direction: TcDirection): boolean {
  if (attachedProgram(ifindex, direction) === undefined) return false
  const result = libbpf().tcDetach(hook(ifindex, ATTACH_POINT[direction]), slot({})) as number
  if (isAbsent(result)) return false
  check(`detach program from tc ${direction} of interface ${ifindex}`, result)
  return true
}

/** Remove the clsact qdisc with all its filters: only for one that we created and that nobody else uses. */
export function destroyClsact(ifindex: number): void {
  const result = libbpf().tcHookDestroy(hook(ifindex, ATTACH_POINT.ingress | ATTACH_POINT.egress)) as number
  if (!isAbsent(result)) check(`remove clsact qdisc of interface ${ifindex}`, result)
}

/** Nothing to remove: no such qdisc, filter or, since a moment ago, device. */
function isAbsent(result: number): boolean {
  return [-ENOENT, -EINVAL, -ENODEV].includes(result)
}
