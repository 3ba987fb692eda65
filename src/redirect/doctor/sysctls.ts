// Settings of the network that matter to steering, and what is said about values that do.
import type { FindingState } from '../../lib/finding.ts'

export const SYSCTLS = [
  'net/ipv4/ip_forward',
  'net/ipv4/conf/all/rp_filter',
  'net/ipv4/conf/all/src_valid_mark',
  'net/ipv4/conf/all/accept_local',
  'net/ipv4/tcp_fwmark_accept',
  'net/ipv4/fwmark_reflect',
  'net/ipv6/fwmark_reflect',
  'net/ipv4/ip_early_demux',
  'net/ipv4/tcp_early_demux',
  'net/ipv6/conf/all/disable_ipv6',
  'net/ipv6/conf/all/forwarding',
  'net/bridge/bridge-nf-call-iptables',
  'net/core/bpf_jit_enable',
  // There while Weir runs.
  'net/ipv4/conf/weir0/rp_filter',
  'net/ipv4/conf/weir0/accept_local',
] as const
export type Sysctl = (typeof SYSCTLS)[number]

export interface Advice {
  readonly state: FindingState
  readonly why: string
  /** A value to set; '' = nothing to do. */
  readonly better: string
}

type SysctlAdvice = Readonly<Partial<Record<Sysctl, Readonly<Record<string, Advice>>>>>

/** Values that are worth a word. All others are fine. */
export const SYSCTL_ADVICE: SysctlAdvice = {
  'net/ipv4/ip_forward': {
    0: { state: 'warning', why: 'pods reach neither each other nor the world', better: '1' },
  },
  'net/ipv6/conf/all/forwarding': {
    0: { state: 'warning', why: 'pods reach neither each other nor the world by IPv6', better: '1' },
  },
  'net/ipv4/fwmark_reflect': {
    1: { state: 'warning', why: 'resets of the kernel are dropped on their way to a pod', better: '0' },
  },
  'net/ipv6/fwmark_reflect': {
    1: { state: 'warning', why: 'resets of the kernel are dropped on their way to a pod', better: '0' },
  },
  'net/ipv4/conf/all/rp_filter': {
    1: { state: 'ok', why: 'strict; weir0 has its own setting', better: '' },
  },
  'net/ipv4/conf/all/src_valid_mark': {
    1: { state: 'ok', why: "rule 70 keeps the proxy's own packets out of it", better: '' },
  },
  'net/ipv4/tcp_fwmark_accept': {
    1: { state: 'ok', why: "rule 70 keeps the proxy's own packets out of it", better: '' },
  },
  'net/ipv4/tcp_early_demux': {
    1: { state: 'ok', why: 'Weir turns it off while it runs', better: '' },
  },
  'net/core/bpf_jit_enable': {
    0: { state: 'warning', why: 'BPF programs are interpreted: several times slower', better: '1' },
  },
}

/** The same while Weir runs: it had set these, and somebody has set them back. */
export const RUNNING_ADVICE: SysctlAdvice = {
  'net/ipv4/tcp_early_demux': {
    1: { state: 'warning', why: 'packets from an uplink to the proxy are lost', better: '0' },
  },
  'net/ipv4/conf/weir0/rp_filter': {
    0: { state: 'warning', why: 'strict where conf.all is, and then drops what is steered', better: '2' },
    1: { state: 'blocking', why: 'strict: what goes round through weir0 is dropped', better: '2' },
  },
  'net/ipv4/conf/weir0/accept_local': {
    0: { state: 'blocking', why: 'processes of the node are not heard by the proxy', better: '1' },
  },
}
