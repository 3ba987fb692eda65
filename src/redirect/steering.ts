// What brings marked packets to the proxy's sockets: policy routing, the device weir0, the sk_lookup link, and rules
// that keep NAT of others away.
import { closeSync, existsSync, openSync, unlinkSync } from 'node:fs'
import { join } from 'node:path'
import { WeirError } from '../lib/errors.ts'
import { hasIPv6 } from '../lib/ipv6.ts'
import type { InstancePaths } from '../lib/paths.ts'
import { BpfObject } from './bpf-object.ts'
import { disableEarlyDemux, restoreEarlyDemux } from './early-demux.ts'
import { run, runJson, tryRun } from './iproute.ts'
import { MARK_MASK, MARK_TO_PROXY, redirectConfigLayout } from './layouts.ts'
import {
  ensureNetfilter,
  hasNetfilter,
  isTracking,
  removeNetfilter,
  type NetfilterState,
} from './netfilter.ts'
import { check, EINVAL, kernelError, lastErrno, libbpf, type Pointer } from './libbpf.ts'
import { SK_LOOKUP_LINK } from './pin-owner.ts'
import type { Redirect } from './redirect.ts'
import { writeSysctl } from './sysctl.ts'
import { findLink } from './links.ts'
import { attachedProgram, attachTc, ensureClsact, interfaceIndex } from './tc.ts'

/** One end of a private veth pair; packets from veth egress hooks come in again here. */
export const REDIRECT_DEVICE = 'weir0'
const REDIRECT_PEER = 'weir1'
/** Without an IPv4 address on the device, source validation drops what arrives there. */
const REDIRECT_ADDRESS = '169.254.119.101/32'
const REDIRECT_ADDRESS_V6 = 'fd77:6569:7200::1/128'

/** Our own numbers, so that nobody else's rules or routes are touched. */
export const ROUTE_TABLE = '30565'
const RULE_SKIP_LOCAL = '70'
const RULE_LOOKUP = '71'
const RULE_END = '72'
export const RULE_PRIORITIES: readonly number[] = [RULE_SKIP_LOCAL, RULE_LOOKUP, RULE_END].map(Number)
const FWMARK = `0x${MARK_TO_PROXY.toString(16)}/0x${MARK_MASK.toString(16)}`

const FAMILIES = ['-4', '-6'] as const
type Family = (typeof FAMILIES)[number]

export interface Steering {
  /** Of weir0. */
  readonly redirectIfindex: number
  readonly netfilter: NetfilterState
}

/** Idempotent. @throws WeirError KERNEL_UNSUPPORTED when the machine lacks what the redirect needs */
export function ensureSteering({ bpffsDir, stateDir }: InstancePaths, redirect: Redirect): Steering {
  const redirectIfindex = ensureRedirectDevice(bpffsDir, redirect)
  disableEarlyDemux(stateDir)
  for (const family of enabledFamilies()) ensurePolicyRouting(family)
  const netfilter = ensureNetfilter(isTracking(), redirect.usesTproxy)
  if (redirect.usesTproxy && netfilter === 'missing') {
    throw new WeirError('KERNEL_UNSUPPORTED', 'redirect tproxy: the rules of netfilter cannot be set', {
      mend: 'install nftables, use a kernel with CONFIG_NFT_TPROXY, or use --redirect hybrid',
    })
  }
  if (redirect.usesSkLookup) ensureSkLookup(bpffsDir)
  return { redirectIfindex, netfilter }
}

/**
 * Put back the device and the routing that somebody took away: systemd-networkd, for one, removes rules that it does
 * not know. Without them steered ports are closed. @returns what was missing, and the index of weir0
 */
export function mendSteering(
  { bpffsDir, stateDir }: InstancePaths,
  redirect: Redirect,
  steering: Steering,
): { readonly missing: string[]; readonly redirectIfindex: number } {
  const missing: string[] = []
  let { redirectIfindex } = steering
  const lost = lostOfRedirectDevice(steering)
  if (lost !== undefined) {
    missing.push(lost)
    redirectIfindex = ensureRedirectDevice(bpffsDir, redirect)
  }
  if (disableEarlyDemux(stateDir)) missing.push('tcp_early_demux = 0')
  for (const family of enabledFamilies()) {
    if (hasPolicyRouting(family)) continue
    missing.push(`rules and routes of ${family === '-4' ? 'IPv4' : 'IPv6'}`)
    ensurePolicyRouting(family)
  }
  if (steering.netfilter !== 'missing' && !hasNetfilter()) {
    missing.push('netfilter rules')
    ensureNetfilter(steering.netfilter === 'untranslated', redirect.usesTproxy)
  }
  return { missing, redirectIfindex }
}

function lostOfRedirectDevice({ redirectIfindex }: Steering): string | undefined {
  if (interfaceIndex(REDIRECT_DEVICE) !== redirectIfindex) return `device ${REDIRECT_DEVICE}`
  if (findLink(redirectIfindex)?.isUp !== true) return `device ${REDIRECT_DEVICE}, which was down`
  if (attachedProgram(redirectIfindex, 'ingress') === undefined) return `program of ${REDIRECT_DEVICE}`
  return undefined
}

/** Remove all of it; the link goes with the bpffs directory. */
export function removeSteering({ bpffsDir, stateDir }: InstancePaths): void {
  unpinSkLookup(bpffsDir)
  restoreEarlyDemux(stateDir)
  removeNetfilter()
  for (const family of FAMILIES) {
    // Each rule until none is left: an interrupted start may have left more than one.
    while (tryRun('ip', family, 'rule', 'del', ...skipLocalRule())) continue
    while (tryRun('ip', family, 'rule', 'del', ...lookupRule())) continue
    while (tryRun('ip', family, 'rule', 'del', ...endRule())) continue
    tryRun('ip', family, 'route', 'flush', 'table', ROUTE_TABLE)
  }
  tryRun('ip', 'link', 'del', REDIRECT_DEVICE)
}

function enabledFamilies(): Family[] {
  return hasIPv6() ? [...FAMILIES] : ['-4']
}

function ensureRedirectDevice(bpffsDir: string, redirect: Redirect): number {
  if (interfaceIndex(REDIRECT_DEVICE) === 0) {
    run('ip', 'link', 'add', REDIRECT_DEVICE, 'type', 'veth', 'peer', 'name', REDIRECT_PEER)
  }
  writeSysctl(`ipv4/conf/${REDIRECT_DEVICE}/accept_local`, '1')
  // Strict validation would drop packets whose source lives behind another device; 2 also overrides conf.all = 1.
  writeSysctl(`ipv4/conf/${REDIRECT_DEVICE}/rp_filter`, '2')
  if (enabledFamilies().includes('-6')) {
    // The peer never speaks, so nothing but redirected packets arrives.
    writeSysctl(`ipv6/conf/${REDIRECT_PEER}/disable_ipv6`, '1')
    writeSysctl(`ipv6/conf/${REDIRECT_DEVICE}/disable_ipv6`, '0')
    writeSysctl(`ipv6/conf/${REDIRECT_DEVICE}/addr_gen_mode`, '1')
  }
  run('ip', 'address', 'replace', REDIRECT_ADDRESS, 'dev', REDIRECT_DEVICE)
  if (!redirect.isTransparent && enabledFamilies().includes('-6'))
    run('ip', 'address', 'replace', REDIRECT_ADDRESS_V6, 'dev', REDIRECT_DEVICE, 'nodad')
  run('ip', 'link', 'set', REDIRECT_PEER, 'up')
  run('ip', 'link', 'set', REDIRECT_DEVICE, 'up')

  const ifindex = interfaceIndex(REDIRECT_DEVICE)
  const config = redirectConfigLayout.encode({ redirect: redirect.number })
  const object = BpfObject.load('tc_redirect', { bpffsDir, config })
  try {
    ensureClsact(ifindex)
    attachTc(ifindex, 'ingress', object.programFd('weir_from_redirect'))
  } finally {
    object.close()
  }
  return ifindex
}

/** Packets that the host itself sends keep their route even when they inherited the mark of a request. */
function skipLocalRule(): string[] {
  return ['pref', RULE_SKIP_LOCAL, 'iif', 'lo', 'fwmark', FWMARK, 'goto', RULE_END]
}

function lookupRule(): string[] {
  return ['pref', RULE_LOOKUP, 'fwmark', FWMARK, 'lookup', ROUTE_TABLE]
}

function endRule(): string[] {
  return ['pref', RULE_END, 'nop']
}

function hasPolicyRouting(family: Family): boolean {
  const priorities = rulePriorities(family)
  if (!RULE_PRIORITIES.every((priority) => priorities.includes(priority))) return false
  return routesOf(family).includes('default')
}

/** Asking for a table without any route is an error. */
function routesOf(family: Family): string {
  try {
    return run('ip', family, 'route', 'show', 'table', ROUTE_TABLE)
  } catch (error) {
    if (error instanceof WeirError && error.code === 'KERNEL_CALL_FAILED') return ''
    throw error
  }
}

function rulePriorities(family: Family): number[] {
  return (runJson('ip', family, 'rule', 'show') as { priority: number }[]).map(({ priority }) => priority)
}

function ensurePolicyRouting(family: Family): void {
  run('ip', family, 'route', 'replace', 'local', 'default', 'dev', 'lo', 'table', ROUTE_TABLE)
  const priorities = rulePriorities(family)
  const has = (pref: string): boolean => priorities.includes(Number(pref))
  if (!has(RULE_END)) run('ip', family, 'rule', 'add', ...endRule())
  if (!has(RULE_SKIP_LOCAL)) run('ip', family, 'rule', 'add', ...skipLocalRule())
  if (!has(RULE_LOOKUP)) run('ip', family, 'rule', 'add', ...lookupRule())
}

/** Attach to this network namespace and pin, or replace the program of the pinned link in one step. */
function ensureSkLookup(bpffsDir: string): void {
  const path = join(bpffsDir, SK_LOOKUP_LINK)
  const object = BpfObject.load('sk_lookup_steer', { bpffsDir })
  try {
    const linkFd = libbpf().get(path) as number
    if (linkFd >= 0) {
      const result = libbpf().linkUpdate(linkFd, object.programFd('weir_steer'), null) as number
      libbpf().close(linkFd)
      if (result === 0) return
      // The namespace that it was attached to is gone.
      unlinkSync(path)
    }
    attachSkLookup(object.program('weir_steer'), path)
  } finally {
    object.close()
  }
}

function attachSkLookup(program: Pointer, path: string): void {
  const netns = openSync('/proc/self/ns/net', 'r')
  try {
    const link = libbpf().programAttachNetns(program, netns) as Pointer | null
    if (link === null) {
      const errno = lastErrno()
      if (errno === EINVAL) {
        throw new WeirError(
          'KERNEL_UNSUPPORTED',
          'attach sk_lookup program: this kernel has no BPF sk_lookup',
          {
            mend: 'Linux 5.9 or newer is needed',
          },
        )
      }
      throw kernelError('attach sk_lookup program', errno)
    }
    const pinned = libbpf().linkPin(link, path) as number
    // Frees our handle; the pin keeps the program attached.
    libbpf().linkDestroy(link)
    check(`pin ${path}`, pinned)
  } finally {
    closeSync(netns)
  }
}

function unpinSkLookup(bpffsDir: string): void {
  const path = join(bpffsDir, SK_LOOKUP_LINK)
  if (existsSync(path)) unlinkSync(path)
}
