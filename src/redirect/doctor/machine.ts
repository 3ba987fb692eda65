// Everything that `weir doctor` looks at, read once. What cannot be read is undefined; nothing is changed.
import { execFileSync } from 'node:child_process'
import { accessSync, constants, existsSync, readFileSync, statfsSync } from 'node:fs'
import { release } from 'node:os'
import { join } from 'node:path'
import koffi from 'koffi'
import { REDIRECT_DEVICE, ROUTE_TABLE } from '../steering.ts'
import { SYSCTLS, type Sysctl } from './sysctls.ts'

const BPF_FS_MAGIC = 0xcafe4a11

export interface Rule {
  readonly family: 4 | 6
  readonly priority: number
  readonly fwmark?: string
  readonly fwmask?: string
  readonly table?: string
}

export interface Route {
  readonly family: 4 | 6
  /** As `ip route` writes it. */
  readonly route: string
}

export interface Machine {
  readonly kernel: string
  readonly uid: number
  /** Effective ones, as a bit set. */
  readonly capabilities: bigint
  /** undefined: libbpf.so.1 is missing. true or false by the names of `BPF_FEATURES`. */
  readonly bpfFeatures: Readonly<Record<string, boolean>> | undefined
  readonly hasBpffs: boolean
  /** Settings of the network; containers have them read-only. */
  readonly canWriteSysctls: boolean
  /** What the first line says. */
  readonly iproute2: string | undefined
  readonly nft: string | undefined
  readonly sysctls: Readonly<Partial<Record<Sysctl, string>>>
  readonly rules: readonly Rule[]
  /** In the table that is ours. */
  readonly routes: readonly Route[]
  /** Whether Weir's own device is there: then its rules and routes are no conflict. */
  readonly isRunning: boolean
  /** Rules of nftables, also those made by iptables-nft; '' without nft. */
  readonly ruleset: string
  /** What iptables-legacy, which nftables does not show, has in its table `mangle`; '' = nothing. */
  readonly legacyRules: string
}

/** Kind and number in <linux/bpf.h>. */
export const BPF_FEATURES = {
  'tc programs': ['program', 3],
  'sk_lookup programs': ['program', 30],
  'ring buffer': ['map', 27],
  'LPM trie': ['map', 11],
  'hash of maps': ['map', 13],
  'LRU hash': ['map', 9],
  sockmap: ['map', 15],
  'bpf_sk_assign in tc': ['helper', 124],
  'bpf_skc_lookup_tcp in tc': ['helper', 99],
} as const

const SCHED_CLS = 3

export function readMachine(): Machine {
  return {
    kernel: release(),
    uid: process.getuid?.() ?? -1,
    capabilities: BigInt(`0x${/^CapEff:\s*(\w+)/m.exec(read('/proc/self/status') ?? '')?.[1] ?? '0'}`),
    bpfFeatures: probeBpf(),
    hasBpffs: isBpffs('/sys/fs/bpf'),
    canWriteSysctls: isWritable('/proc/sys/net/ipv4/tcp_early_demux'),
    iproute2: firstLine('ip', '-V'),
    nft: firstLine('nft', '--version'),
    sysctls: Object.fromEntries(
      SYSCTLS.flatMap((name) => {
        const value = read(join('/proc/sys', name))
        return value === undefined ? [] : [[name, value.trim()]]
      }),
    ),
    rules: [...readRules(4), ...readRules(6)],
    routes: ([4, 6] as const).flatMap((family) =>
      lines('ip', `-${family}`, 'route', 'show', 'table', ROUTE_TABLE).map((route) => ({ family, route })),
    ),
    isRunning: lines('ip', 'link', 'show', REDIRECT_DEVICE).length > 0,
    ruleset: lines('nft', 'list', 'ruleset').join('\n'),
    legacyRules: [
      ...readLegacy('/proc/net/ip_tables_names', 'iptables-legacy-save'),
      ...readLegacy('/proc/net/ip6_tables_names', 'ip6tables-legacy-save'),
    ].join('\n'),
  }
}

/** Only where the table is in use: to ask for it would load it. */
function readLegacy(names: string, save: string): string[] {
  return /^mangle$/m.test(read(names) ?? '') ? lines(save, '-t', 'mangle') : []
}

function probeBpf(): Record<string, boolean> | undefined {
  let library
  try {
    library = koffi.load('libbpf.so.1')
  } catch {
    return undefined
  }
  const silence = library.func('void *libbpf_set_print(void *)') as (print: null) => unknown
  silence(null)
  const program = library.func('int libbpf_probe_bpf_prog_type(int type, const void *opts)')
  const map = library.func('int libbpf_probe_bpf_map_type(int type, const void *opts)')
  const helper = library.func('int libbpf_probe_bpf_helper(int program, int helper, const void *opts)')
  const probe = (kind: 'program' | 'map' | 'helper', number: number): boolean => {
    if (kind === 'program') return program(number, null) === 1
    return kind === 'map' ? map(number, null) === 1 : helper(SCHED_CLS, number, null) === 1
  }
  return Object.fromEntries(
    Object.entries(BPF_FEATURES).map(([name, [kind, number]]) => [name, probe(kind, number)]),
  )
}

function readRules(family: 4 | 6): Rule[] {
  const [json = '[]'] = lines('ip', '-j', `-${family}`, 'rule', 'show')
  return (JSON.parse(json) as Omit<Rule, 'family'>[]).map((rule) => ({ ...rule, family }))
}

function isBpffs(path: string): boolean {
  try {
    return statfsSync(path).type === BPF_FS_MAGIC
  } catch {
    return false
  }
}

/** False on a read-only file system, for root, too. */
function isWritable(file: string): boolean {
  try {
    accessSync(file, constants.W_OK)
    return true
  } catch {
    return false
  }
}

function read(file: string): string | undefined {
  return existsSync(file) ? readFileSync(file, 'utf8') : undefined
}

function firstLine(command: string, ...args: string[]): string | undefined {
  return lines(command, ...args)[0]
}

/** Nothing when the command is missing or fails. */
function lines(command: string, ...args: string[]): string[] {
  try {
    const output = execFileSync(command, args, { encoding: 'utf8', stdio: ['ignore', 'pipe', 'ignore'] })
    return output.split('\n').filter((line) => line !== '')
  } catch {
    return []
  }
}
