// Rules that keep connection tracking and NAT of others (kube-proxy, container engines) away from steered packets.
// Weir itself needs neither; without `nft` on the machine, connections that NAT interferes with are reset.
import { execFileSync } from 'node:child_process'
import { existsSync, readFileSync } from 'node:fs'
import { MARK_MASK, MARK_REPLY, MARK_TO_PROXY, PROXY_PORT } from './layouts.ts'

/** Of us, in each family where we have rules. */
export const NETFILTER_TABLE = 'weir'
const TABLE = `inet ${NETFILTER_TABLE}`
const TRACKED_COUNT = '/proc/sys/net/netfilter/nf_conntrack_count'
const LEGACY_TABLES = ['/proc/net/ip_tables_names', '/proc/net/ip6_tables_names']

const hex = (mark: number): string => `0x${mark.toString(16)}`
const STEERED = `meta mark & ${hex(MARK_MASK)} == ${hex(MARK_TO_PROXY)}`

/**
 * A packet that went through NAT and then came to weir0 is tracked already; a second entry would clash with the
 * first and get another source port. Answers may still have to be translated back. Costs nothing without tracking.
 */
const UNTRACKED = `
  chain untracked {
    type filter hook prerouting priority raw
    iifname "weir0" meta mark & ${hex(MARK_REPLY)} == 0 notrack
  }`

/** The first chain to choose a translation wins: "none". Only where tracking is on, for this would turn it on. */
const UNTRANSLATED = `
  chain untranslated {
    type nat hook prerouting priority dstnat - 1
    ${STEERED} dnat ip to ip daddr
    ${STEERED} dnat ip6 to ip6 daddr
  }`

/** Not for answers, which tc gives to their sockets: those that have none may wait for a translation back. */
const TO_LISTENER = `meta l4proto tcp meta mark & ${hex(MARK_MASK | MARK_REPLY)} == ${hex(MARK_TO_PROXY)}`
const TPROXY = `
  chain to_proxy {
    type filter hook prerouting priority mangle
    ${TO_LISTENER} meta nfproto ipv4 tproxy ip to 127.0.0.1:${PROXY_PORT} accept
    ${TO_LISTENER} meta nfproto ipv6 tproxy ip6 to [::1]:${PROXY_PORT} accept
  }`

export type NetfilterState = 'untracked' | 'untranslated' | 'missing'

/** Whether connections are tracked in this network namespace, or will be as soon as there are any. */
export function isTracking(): boolean {
  const hasNat = (file: string): boolean => /^nat$/m.test(read(file))
  const count = read(TRACKED_COUNT).trim()
  return (count !== '' && count !== '0') || LEGACY_TABLES.some(hasNat) || /type nat hook/.test(listChains())
}

function read(file: string): string {
  return existsSync(file) ? readFileSync(file, 'utf8') : ''
}

function listChains(): string {
  try {
    return execFileSync('nft', ['list', 'chains'], { encoding: 'utf8', stdio: ['ignore', 'pipe', 'ignore'] })
  } catch {
    return ''
  }
}

/** Replaces the table in one step. `missing`: the machine has no nft, or its kernel no nf_tables. */
export function ensureNetfilter(isTranslating: boolean, usesTproxy: boolean): NetfilterState {
  const chains = UNTRACKED + (isTranslating ? UNTRANSLATED : '') + (usesTproxy ? TPROXY : '')
  const rules = `table ${TABLE}\ndelete table ${TABLE}\ntable ${TABLE} {${chains}\n}\n`
  if (!runNft(['-f', '-'], rules)) return 'missing'
  return isTranslating ? 'untranslated' : 'untracked'
}

/** Whether `ensureNetfilter` was here, and nobody after it. */
export function hasNetfilter(): boolean {
  return runNft(['list', 'table', ...TABLE.split(' ')])
}

/** True when the table was there. */
export function removeNetfilter(): boolean {
  return runNft(['delete', 'table', ...TABLE.split(' ')])
}

function runNft(args: readonly string[], input = ''): boolean {
  try {
    execFileSync('nft', args, { input, stdio: ['pipe', 'ignore', 'ignore'] })
    return true
  } catch {
    return false
  }
}
