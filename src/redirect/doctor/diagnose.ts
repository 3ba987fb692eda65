// From what a machine is like to findings, each with its mend. Pure.
import type { Finding, FindingState } from '../../lib/finding.ts'
import { MARK_MASK, MARK_REPLY } from '../layouts.ts'
import { RULE_PRIORITIES, ROUTE_TABLE } from '../steering.ts'
import { BPF_FEATURES, type Machine, type Rule } from './machine.ts'
import { SYSCTL_ADVICE, SYSCTLS } from './sysctls.ts'

/** sk_lookup came with 5.9. */
const OLDEST_KERNEL = [5, 9] as const
const OLDEST_TESTED = [5, 14] as const
/** <linux/capability.h>. CAP_SYS_ADMIN stands for the other two of BPF. */
const CAP_NET_ADMIN = 12
const CAP_SYS_ADMIN = 21
const CAP_PERFMON = 38
const CAP_BPF = 39
/** Bits of skb->mark that carry something of ours: kind, direction, and 16 bits of a number. */
const OUR_BITS = (0xffff_0000 | MARK_REPLY | MARK_MASK) >>> 0

export function diagnose(machine: Machine): Finding[] {
  return [
    kernel(machine),
    ...privileges(machine),
    libbpf(machine),
    ...features(machine),
    bpffs(machine),
    iproute2(machine),
    nft(machine),
    sysctlAccess(machine),
    ...sysctls(machine),
    routing(machine),
    ...marks(machine),
  ]
}

function finding(check: string, state: FindingState, detail: string, mend = ''): Finding {
  return { check, state, detail, mend: state === 'ok' ? '' : mend }
}

function kernel({ kernel }: Machine): Finding {
  const [major = 0, minor = 0] = kernel.split(/[.-]/).map(Number)
  const isBefore = ([x, y]: readonly [number, number]): boolean => major < x || (major === x && minor < y)
  const state = isBefore(OLDEST_KERNEL) ? 'blocking' : isBefore(OLDEST_TESTED) ? 'warning' : 'ok'
  return finding('kernel', state, kernel, `use Linux ${OLDEST_TESTED.join('.')} or newer`)
}

function privileges(machine: Machine): Finding[] {
  const { uid } = machine
  return [
    finding('root', uid === 0 ? 'ok' : 'blocking', `uid ${uid}`, 'start it with sudo'),
    capabilities(machine),
  ]
}

/** Weir does not work without these. */
function missingCapabilities(machine: Machine): string[] {
  return [
    ...(has(machine, CAP_NET_ADMIN) ? [] : ['CAP_NET_ADMIN']),
    ...(has(machine, CAP_BPF) || has(machine, CAP_SYS_ADMIN) ? [] : ['CAP_BPF']),
  ]
}

function capabilities(machine: Machine): Finding {
  const needed = missingCapabilities(machine)
  if (needed.length > 0)
    return finding(
      'capabilities',
      'blocking',
      `without ${needed.join(', ')}`,
      'give them to the container or unit',
    )
  if (has(machine, CAP_PERFMON) || has(machine, CAP_SYS_ADMIN))
    return finding('capabilities', 'ok', 'all that are needed')
  return finding(
    'capabilities',
    'warning',
    'without CAP_PERFMON: BPF programs are slower by barriers against speculation',
    'give it to the container or unit',
  )
}

function has({ capabilities }: Machine, bit: number): boolean {
  return ((capabilities >> BigInt(bit)) & 1n) === 1n
}

function libbpf({ bpfFeatures }: Machine): Finding {
  return bpfFeatures === undefined
    ? finding('libbpf', 'blocking', 'libbpf.so.1 is missing', 'apt-get install libbpf1')
    : finding('libbpf', 'ok', 'libbpf.so.1')
}

function features(machine: Machine): Finding[] {
  const { bpfFeatures, uid } = machine
  if (bpfFeatures === undefined) return []
  // Without privileges every probe fails: that says nothing about the kernel.
  const state = uid === 0 && missingCapabilities(machine).length === 0 ? 'blocking' : 'warning'
  const missing = Object.keys(BPF_FEATURES).filter((name) => bpfFeatures[name] !== true)
  return missing.length === 0
    ? [finding('BPF features', 'ok', `all ${Object.keys(BPF_FEATURES).length}`)]
    : missing.map((name) =>
        finding(
          'BPF features',
          state,
          `no ${name}`,
          'use a kernel with CONFIG_BPF_SYSCALL, NET_CLS_BPF and INET',
        ),
      )
}

function bpffs(machine: Machine): Finding {
  if (machine.hasBpffs) return finding('bpffs', 'ok', '/sys/fs/bpf')
  const canMount = has(machine, CAP_SYS_ADMIN)
  return finding(
    'bpffs',
    canMount ? 'warning' : 'blocking',
    `not mounted at /sys/fs/bpf${canMount ? '; the agent will try' : ''}`,
    "mount -t bpf bpf /sys/fs/bpf; in a container, mount the host's",
  )
}

function iproute2({ iproute2 }: Machine): Finding {
  return iproute2 === undefined
    ? finding('iproute2', 'blocking', '`ip` is missing', 'apt-get install iproute2')
    : finding('iproute2', 'ok', iproute2)
}

function nft({ nft }: Machine): Finding {
  return nft === undefined
    ? finding(
        'nft',
        'warning',
        '`nft` is missing: connections that NAT of others translates are reset under L7 rules',
        'apt-get install nftables',
      )
    : finding('nft', 'ok', nft)
}

function sysctlAccess({ canWriteSysctls }: Machine): Finding {
  return canWriteSysctls
    ? finding('/proc/sys/net', 'ok', 'writable')
    : finding(
        '/proc/sys/net',
        'blocking',
        'read-only',
        'start the container with --security-opt systempaths=unconfined (and apparmor=unconfined where AppArmor is on)',
      )
}

function sysctls({ sysctls }: Machine): Finding[] {
  return SYSCTLS.flatMap((name) => {
    const value = sysctls[name]
    if (value === undefined) return []
    const advice = SYSCTL_ADVICE[name]?.[value]
    const dotted = name.replaceAll('/', '.')
    if (advice === undefined) return [finding(dotted, 'ok', value)]
    return [finding(dotted, advice.state, `${value}: ${advice.why}`, `sysctl -w ${dotted}=${advice.better}`)]
  })
}

/** Somebody else's rule between ours, or routes in our table. */
function routing({ rules, routes, isRunning }: Machine): Finding {
  const [first, last] = [Math.min(...RULE_PRIORITIES), Math.max(...RULE_PRIORITIES)]
  const foreign = rules.filter(({ priority }) => priority >= first && priority <= last)
  if (isRunning) return finding('rules and routes', 'ok', `${foreign.length} rules: Weir is running`)
  if (foreign.length === 0 && routes.length === 0)
    return finding(
      'rules and routes',
      'ok',
      `priorities ${first} to ${last} and table ${ROUTE_TABLE} are free`,
    )
  const detail = [
    ...foreign.map((rule) => `IPv${rule.family} rule ${rule.priority} is taken`),
    ...routes.map((route) => `table ${ROUTE_TABLE} holds "${route}"`),
  ].join('; ')
  return finding(
    'rules and routes',
    'blocking',
    detail,
    'move them, or `weir cleanup` if they are of a dead Weir',
  )
}

/** Who else looks at, or writes, bits of skb->mark that are ours. */
function marks({ rules, ruleset }: Machine): Finding[] {
  const foreignRules = rules.filter(
    (rule) => rule.fwmark !== undefined && !RULE_PRIORITIES.includes(rule.priority) && overlaps(rule),
  )
  const findings = foreignRules.map((rule) =>
    finding(
      'marks',
      'warning',
      `IPv${rule.family} rule ${rule.priority} looks at mark ${rule.fwmark ?? ''}/${rule.fwmask ?? '0xffffffff'}`,
      `use other bits than ${hex(OUR_BITS)} for it, or a priority above ${Math.max(...RULE_PRIORITIES)}`,
    ),
  )
  const foreignTables = tablesThatSetMarks(ruleset)
  if (foreignTables.length > 0) {
    findings.push(
      finding(
        'marks',
        'warning',
        `${foreignTables.join(', ')} set bits of ${hex(OUR_BITS)}`,
        'a packet that is marked after Weir judged it is judged again, or dropped: use other bits',
      ),
    )
  }
  return findings.length > 0
    ? findings
    : [finding('marks', 'ok', `nobody else uses bits of ${hex(OUR_BITS)}`)]
}

function overlaps({ fwmark = '0', fwmask = '0xffffffff', priority }: Rule): boolean {
  const isBefore = priority < Math.max(...RULE_PRIORITIES)
  return isBefore && (Number(fwmark) & Number(fwmask) & OUR_BITS) !== 0
}

/** `meta mark set mark | 0x00004000` of kube-proxy is fine, `meta mark set 0x00000200` of a TPROXY set-up is not. */
function tablesThatSetMarks(ruleset: string): string[] {
  const found = new Set<string>()
  let table = ''
  for (const line of ruleset.split('\n')) {
    table = /^table (\S+ \S+)/.exec(line)?.[1] ?? table
    if (table === 'inet weir') continue
    const set =
      /meta mark set (?:mark |meta mark )?(?:(?:and|&) 0x[0-9a-f]+ )?(?:(?:or|xor|\||\^) )?(0x[0-9a-f]+)/.exec(
        line,
      )
    if (set !== null && (Number(set[1]) & OUR_BITS) !== 0) found.add(`table ${table}`)
  }
  return [...found]
}

const hex = (bits: number): string => `0x${bits.toString(16)}`
