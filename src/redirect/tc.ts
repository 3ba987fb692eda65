// Legacy tc (clsact) filters: they survive the death of every process and are replaced in one step.
// docs/adr/ says why not tcx.
import {
  check,
  EEXIST,
  EINVAL,
  ENOENT,
  libbpf,
  TC_HOOK_BYTES,
  TC_OPTIONS_BYTES,
  type TcHook,
  type TcOptions,
} from './libbpf.ts'

export type TcDirection = 'ingress' | 'egress'

const ATTACH_POINT = { ingress: 1, egress: 2 } as const
const BPF_TC_F_REPLACE = 1
/** Our slot on each hook. The handle marks the filter as ours together with the program's name. */
const PRIORITY = 1
const HANDLE = 0x7765
const PROGRAM_NAME_PREFIX = 'weir_'
/** struct bpf_prog_info: enough for the name. */
const PROGRAM_INFO_BYTES = 232
const PROGRAM_INFO_NAME_OFFSET = 64
const PROGRAM_NAME_BYTES = 16

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

/** Name of our program on the hook, or undefined when none of ours is there. */
export function attachedProgram(ifindex: number, direction: TcDirection): string | undefined {
  const options = slot({})
  if ((libbpf().tcQuery(hook(ifindex, ATTACH_POINT[direction]), options) as number) < 0) return undefined
  const fd = libbpf().programFdById(options.prog_id) as number
  if (fd < 0) return undefined
  const info = Buffer.alloc(PROGRAM_INFO_BYTES)
  const result = libbpf().infoByFd(fd, info, [info.length]) as number
  libbpf().close(fd)
  if (result < 0) return undefined
  const name = info.toString(
    'latin1',
    PROGRAM_INFO_NAME_OFFSET,
    PROGRAM_INFO_NAME_OFFSET + PROGRAM_NAME_BYTES,
  )
  const text = name.slice(0, name.indexOf('\0'))
  return text.startsWith(PROGRAM_NAME_PREFIX) ? text : undefined
}

/** Remove our filter; false when it was not there. Filters of others stay. */
export function detachTc(ifindex: number, direction: TcDirection): boolean {
  if (attachedProgram(ifindex, direction) === undefined) return false
  const result = libbpf().tcDetach(hook(ifindex, ATTACH_POINT[direction]), slot({})) as number
  if (result === -ENOENT || result === -EINVAL) return false
  check(`detach program from tc ${direction} of interface ${ifindex}`, result)
  return true
}

/** Remove the clsact qdisc with all its filters: only for one that we created and that nobody else uses. */
export function destroyClsact(ifindex: number): void {
  const result = libbpf().tcHookDestroy(hook(ifindex, ATTACH_POINT.ingress | ATTACH_POINT.egress)) as number
  if (result !== -ENOENT && result !== -EINVAL) check(`remove clsact qdisc of interface ${ifindex}`, result)
}
