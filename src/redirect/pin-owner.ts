// Which network namespace the pins of an instance belong to. bpffs is one for all namespaces of a machine, while filters,
// rules and devices are of one: an agent in a second one that took the maps over would forget the endpoints of the first,
// whose filters still ask these maps.
import { readdirSync, readlinkSync, rmSync, statSync, symlinkSync } from 'node:fs'
import { basename, join } from 'node:path'
import { WeirError } from '../lib/errors.ts'
import type { InstancePaths } from '../lib/paths.ts'
import { check, libbpf } from './libbpf.ts'

/** A link to nowhere: bpffs has no ordinary files. `NAMESPACE STATE_DIR`, the former as its inode number. */
const RECORD = 'owner'
export const SK_LOOKUP_LINK = 'link_sk_lookup'
/** struct bpf_link_info up to the member netns. */
const LINK_INFO_BYTES = 24
const LINK_INFO_NETNS_OFFSET = 16
const NAMED_NAMESPACES = '/run/netns'

/** Nothing is changed. @throws WeirError PINNED_ELSEWHERE when they belong to another namespace that still exists */
export function checkPinOwner({ bpffsDir }: InstancePaths): void {
  const owner = ownerOf(bpffsDir)
  if (owner === undefined || owner.namespace === ownNamespace()) return
  const agent = owner.stateDir === undefined ? 'an agent' : `an agent with --state-dir ${owner.stateDir}`
  throw new WeirError(
    'PINNED_ELSEWHERE',
    `${bpffsDir} belongs to the network namespace ${describe(owner.namespace)}, where ${agent} was started; ` +
      `this one is ${describe(ownNamespace())}`,
    {
      mend:
        `use a --state-dir here whose last part is not ${basename(bpffsDir)}, or run \`weir cleanup\` there; ` +
        `if that namespace is gone: rm -r ${bpffsDir}`,
    },
  )
}

/** From now on the pins are of this network namespace. */
export function recordPinOwner({ bpffsDir, stateDir }: InstancePaths): void {
  const path = join(bpffsDir, RECORD)
  const text = `${ownNamespace()} ${stateDir}`
  if (readRecord(bpffsDir) === text) return
  rmSync(path, { force: true })
  symlinkSync(text, path)
}

/** undefined: nobody's, or of a namespace that is gone. */
function ownerOf(
  bpffsDir: string,
): { readonly namespace: number; readonly stateDir: string | undefined } | undefined {
  const linked = namespaceOfLink(join(bpffsDir, SK_LOOKUP_LINK))
  if (linked === 'gone') return undefined
  const [, recorded, stateDir] = /^(\d+) (.*)$/.exec(readRecord(bpffsDir) ?? '') ?? []
  const namespace = linked ?? (recorded === undefined ? undefined : Number(recorded))
  return namespace === undefined ? undefined : { namespace, stateDir }
}

function readRecord(bpffsDir: string): string | undefined {
  try {
    return readlinkSync(join(bpffsDir, RECORD))
  } catch {
    return undefined
  }
}

/** Where the sk_lookup program is attached; undefined = none is pinned. The kernel knows, whatever was written down. */
function namespaceOfLink(path: string): number | 'gone' | undefined {
  const fd = libbpf().get(path) as number
  if (fd < 0) return undefined
  try {
    const info = Buffer.alloc(LINK_INFO_BYTES)
    check(`read ${path}`, libbpf().infoByFd(fd, info, [info.length]) as number)
    return info.readUInt32LE(LINK_INFO_NETNS_OFFSET) || 'gone'
  } finally {
    libbpf().close(fd)
  }
}

function ownNamespace(): number {
  const [, number] = /^net:\[(\d+)\]$/.exec(readlinkSync('/proc/self/ns/net')) ?? []
  if (number === undefined)
    throw new WeirError('KERNEL_CALL_FAILED', 'read /proc/self/ns/net: is /proc mounted?')
  return Number(number)
}

/** As lsns(8) shows it, with the name that ip-netns(8) has for it. */
function describe(namespace: number): string {
  const name = namesOfNamespaces().find((one) => inodeOf(join(NAMED_NAMESPACES, one)) === namespace)
  return name === undefined ? `net:[${namespace}]` : `net:[${namespace}] (${name})`
}

function namesOfNamespaces(): string[] {
  try {
    return readdirSync(NAMED_NAMESPACES)
  } catch {
    return []
  }
}

function inodeOf(path: string): number | undefined {
  try {
    return statSync(path).ino
  } catch {
    return undefined
  }
}
