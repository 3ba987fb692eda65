// Everything on a node that Weir may touch, as text to compare; and the BPF objects of one instance.
import { existsSync, readdirSync } from 'node:fs'
import { join } from 'node:path'
import { BpfMap } from '../../src/redirect/bpf-map.ts'
import { libbpf } from '../../src/redirect/libbpf.ts'
import { type NodeNamespace } from './node-namespace.ts'

const MAP_INFO_BYTES = 88
const MAP_INFO_ID_OFFSET = 4
const POLICY_MAP = 'weir_policy'

/** By what was listed. */
export function machineState(node: NodeNamespace): Record<string, string> {
  const state: Record<string, string> = {
    links: node.execSync(['ip', '-d', 'link', 'show']),
    addresses: node.execSync(['ip', 'address', 'show']),
    qdiscs: node.execSync(['tc', 'qdisc', 'show']),
    filters: filtersOf(node),
    sysctls: node.execSync([
      'sh',
      '-c',
      'grep -s . /proc/sys/net/ipv4/conf/*/rp_filter /proc/sys/net/ipv4/conf/*/accept_local ' +
        '/proc/sys/net/ipv4/tcp_early_demux /proc/sys/net/ipv[46]/conf/*/forwarding',
    ]),
    pins: existsSync(node.bpffsDir) ? readdirSync(node.bpffsDir).join('\n') : 'none',
    stateDir: existsSync(node.stateDir) ? readdirSync(node.stateDir).join('\n') : 'none',
    processes: node.pids().join('\n'),
    nftables: node.execSync(['nft', 'list', 'ruleset']),
  }
  for (const family of ['-4', '-6']) {
    state[`rules ${family}`] = node.execSync(['ip', family, 'rule', 'show'])
    state[`routes ${family}`] = node.execSync(['ip', family, 'route', 'show', 'table', 'all'])
  }
  return state
}

/** Of all devices. */
export function filtersOf(node: NodeNamespace): string {
  const links = JSON.parse(node.execSync(['ip', '-j', 'link', 'show'])) as { ifname: string }[]
  return links
    .flatMap(({ ifname }) => ['ingress', 'egress'].map((hook) => [ifname, hook] as const))
    .map(
      ([device, hook]) =>
        `${device} ${hook}:\n${node.execSync(['tc', 'filter', 'show', 'dev', device, hook])}`,
    )
    .join('')
}

export interface BpfObjects {
  readonly programs: readonly number[]
  readonly maps: readonly number[]
}

/** Ids of what the instance of this node has in the kernel: attached programs, pinned maps, policy maps. */
export function bpfObjects(node: NodeNamespace): BpfObjects {
  const programs = [...filtersOf(node).matchAll(/weir_\S* .*\bid (\d+)/g)].map(([, id]) => Number(id))
  const pinned = readdirSync(node.bpffsDir).filter((name) => name.startsWith('weir_'))
  return {
    programs,
    maps: [...pinned.map((name) => idOfMap(join(node.bpffsDir, name))), ...policyMaps(node)],
  }
}

/** Those of them that the kernel still has. */
export function livingBpfObjects({ programs, maps }: BpfObjects): BpfObjects {
  return {
    programs: programs.filter((id) => isThere(libbpf().programFdById(id) as number)),
    maps: maps.filter((id) => isThere(libbpf().mapFdById(id) as number)),
  }
}

function policyMaps(node: NodeNamespace): number[] {
  const outer = BpfMap.openPinned(node.bpffsDir, POLICY_MAP, 4, 4)
  try {
    return outer.entries().map(([, id]) => id.readUInt32LE(0))
  } finally {
    outer.close()
  }
}

function idOfMap(path: string): number {
  const fd = libbpf().get(path) as number
  if (fd < 0) throw new Error(`${path} is no BPF object`)
  const info = Buffer.alloc(MAP_INFO_BYTES)
  libbpf().infoByFd(fd, info, [info.length])
  libbpf().close(fd)
  return info.readUInt32LE(MAP_INFO_ID_OFFSET)
}

function isThere(fd: number): boolean {
  if (fd < 0) return false
  libbpf().close(fd)
  return true
}
