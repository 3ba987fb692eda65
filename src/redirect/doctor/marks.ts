// Who else looks at, or writes, bits of skb->mark that are ours. Pure.
import type { Finding } from '../../lib/finding.ts'
import { MARK_MASK, MARK_REPLY } from '../layouts.ts'
import { RULE_PRIORITIES } from '../steering.ts'
import type { Machine, Rule } from './machine.ts'

/** Kind, direction, and 16 bits of a number. */
const OUR_BITS = (0xffff_0000 | MARK_REPLY | MARK_MASK) >>> 0
const ALL_BITS = 0xffff_ffff
const LAST_PRIORITY = Math.max(...RULE_PRIORITIES)

export function diagnoseMarks({ rules, ruleset, legacyRules }: Machine): Finding[] {
  const readers = rules.filter((rule) => !RULE_PRIORITIES.includes(rule.priority) && looksAtOurs(rule))
  const writers = [...nftWriters(ruleset), ...legacyWriters(legacyRules)]
  const findings: Finding[] = readers.map(({ family, priority, fwmark, fwmask }) => ({
    check: 'marks',
    state: 'warning',
    detail: `IPv${family} rule ${priority} looks at mark ${fwmark ?? ''}/${fwmask ?? hex(ALL_BITS)}`,
    mend: `use other bits than ${hex(OUR_BITS)} for it, or a priority above ${LAST_PRIORITY}`,
  }))
  if (writers.length > 0) {
    findings.push({
      check: 'marks',
      state: 'warning',
      detail: `${writers.join(', ')} write bits of ${hex(OUR_BITS)}`,
      mend: 'a packet that is marked after Weir judged it is judged again, or dropped: use other bits, and a mask',
    })
  }
  return findings.length > 0
    ? findings
    : [{ check: 'marks', state: 'ok', detail: `nobody else uses bits of ${hex(OUR_BITS)}`, mend: '' }]
}

/** A rule behind ours sees no packet that is on its way to the proxy. */
function looksAtOurs({ fwmark = '0', fwmask = hex(ALL_BITS), priority }: Rule): boolean {
  return priority < LAST_PRIORITY && (Number(fwmark) & Number(fwmask) & OUR_BITS) !== 0
}

const NFT_SET =
  /meta mark set (?:(?:meta )?mark (?:(?:and|&) (?<kept>0x[0-9a-f]+) ?)?(?:(?:or|xor|\||\^) (?<set>0x[0-9a-f]+))?|(?<all>0x[0-9a-f]+))/

/** `meta mark set mark | 0x00004000` of kube-proxy is fine, `meta mark set 0x1` wipes out what we wrote. */
function nftWriters(ruleset: string): string[] {
  const found = new Set<string>()
  let table = ''
  for (const line of ruleset.split('\n')) {
    table = /^table (\S+ \S+)/.exec(line)?.[1] ?? table
    if (table === 'inet weir') continue
    const match = NFT_SET.exec(line)?.groups
    if (match === undefined) continue
    const { kept, set, all } = match
    const written = all === undefined ? ~Number(kept ?? ALL_BITS) | Number(set ?? 0) : ALL_BITS
    if ((written & OUR_BITS) !== 0) found.add(`table ${table}`)
  }
  return [...found]
}

/** Lines of iptables-legacy-save: `-j MARK --set-xmark VALUE/MASK`, `-j TPROXY ... --tproxy-mark VALUE/MASK`. */
function legacyWriters(rules: string): string[] {
  const isOurs = rules
    .split('\n')
    .map((line) => /--(?:set-xmark|tproxy-mark) (0x[0-9a-f]+)\/(0x[0-9a-f]+)/.exec(line))
    .some((match) => match !== null && ((Number(match[1]) | Number(match[2])) & OUR_BITS) !== 0)
  return isOurs ? ['rules of iptables-legacy'] : []
}

const hex = (bits: number): string => `0x${(bits >>> 0).toString(16)}`
