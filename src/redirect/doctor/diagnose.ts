// From what a machine is like to findings, each with its mend. Pure.
import type { Finding, FindingState } from '../../lib/finding.ts'
import { BPF_FEATURES, type Machine } from './machine.ts'
import { diagnoseMarks } from './marks.ts'
import { diagnoseRouting } from './routing.ts'
import { RUNNING_ADVICE, SYSCTL_ADVICE, SYSCTLS } from './sysctls.ts'

/** sk_lookup came with 5.9. */
const OLDEST_KERNEL = [5, 9] as const
const OLDEST_TESTED = [5, 14] as const
/** <linux/capability.h>. CAP_SYS_ADMIN stands for the other two of BPF. */
const CAP_NET_ADMIN = 12
const CAP_SYS_ADMIN = 21
const CAP_PERFMON = 38
const CAP_BPF = 39

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
    diagnoseRouting(machine),
    ...diagnoseMarks(machine),
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

function sysctls({ sysctls, isRunning }: Machine): Finding[] {
  return SYSCTLS.flatMap((name) => {
    const value = sysctls[name]
    if (value === undefined) return []
    const advice = (isRunning ? RUNNING_ADVICE[name]?.[value] : undefined) ?? SYSCTL_ADVICE[name]?.[value]
    const dotted = name.replaceAll('/', '.')
    if (advice === undefined) return [finding(dotted, 'ok', value)]
    return [finding(dotted, advice.state, `${value}: ${advice.why}`, `sysctl -w ${dotted}=${advice.better}`)]
  })
}
