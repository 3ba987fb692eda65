// A trace for people: the verdict first, then the way to it.
import type { PolicyMapRow__Output } from '../gen/weir/v1/PolicyMapRow.ts'
import type { RuleRef__Output } from '../gen/weir/v1/RuleRef.ts'
import type { TraceParty__Output } from '../gen/weir/v1/TraceParty.ts'
import type { TraceResponse__Output } from '../gen/weir/v1/TraceResponse.ts'
import type { TraceSide__Output } from '../gen/weir/v1/TraceSide.ts'
import { formatPort } from '../lib/protocols.ts'
import { printable } from './terminal-text.ts'

export function formatTrace(answer: TraceResponse__Output): string {
  const lines = [
    ...verdictLines(answer),
    '',
    `From: ${partyText(answer.source)}`,
    `To:   ${partyText(answer.destination)}`,
    ...answer.sides.flatMap((side) => ['', ...sideLines(side)]),
  ]
  if (answer.notes.length > 0) lines.push('', 'Notes:', ...answer.notes.map((note) => `  ${note}`))
  return lines.map((line) => `${printable(line)}\n`).join('')
}

function verdictLines({
  verdict,
  outcome,
  where,
  direction,
  reason,
  rule,
  source,
  destination,
  protocol,
  port,
  request,
}: TraceResponse__Output): string[] {
  const flow = `${source?.given ?? ''} -> ${destination?.given ?? ''} ${formatPort({ protocol, port })}`
  const asked = request === null ? '' : ` ${request.summary}`
  const answered = outcome === 'allow' || outcome === 'redirect' ? '' : ` (${outcome})`
  const lines = [`${verdict.toUpperCase()}${answered}: ${flow}${asked}`]
  const side =
    direction === ''
      ? ''
      : `, ${direction === 'egress' ? 'egress of the source' : 'ingress of the destination'}`
  const why = [reason, ...(rule === null ? [] : [`rule ${refText(rule)}`])].filter((part) => part !== '')
  lines.push(`  by the ${where}${side}${why.length === 0 ? '' : `: ${why.join(', ')}`}`)
  if (verdict === 'redirected')
    lines.push("  each request is judged: give one with --http 'METHOD PATH' or --kafka-api-key API")
  if (request === null) return lines
  if (request.audit !== '') lines.push(`  but for audit mode: ${request.audit}`)
  if (request.shadow !== '') lines.push(`  with shadow rules: ${request.shadow}`)
  return [...lines, ...[...request.edits, ...request.accesses].map((text) => `  ${text}`)]
}

function refText({ name, file, line }: RuleRef__Output): string {
  return file === '' ? name : `${name} (${file}:${line})`
}

function partyText(party: TraceParty__Output | null): string {
  if (party === null) return ''
  const { identity, labels, endpoint, endpointId, address, isHypothetical } = party
  const what = endpoint === '' ? [] : [`endpoint ${endpoint} (${endpointId})`]
  if (isHypothetical) what.push('hypothetical workload')
  if (address !== '') what.push(address)
  return [...what, `identity ${identity}`, labels.join(',')].join(', ')
}

function sideLines(side: TraceSide__Output): string[] {
  const { direction, endpoint, enforced, closedBy, verdict, entry, rule } = side
  const closing = closedBy.map(refText).join(', ')
  const state = enforced ? `closed by ${closing === '' ? 'default' : closing}` : 'open: no rule closes it'
  const name = direction === 'egress' ? 'Egress' : 'Ingress'
  const by = rule === null ? '' : `, from ${refText(rule)}`
  const lines = [`${name} of ${endpoint}, ${state}`, `  policy map: ${verdict}, ${entryText(entry)}${by}`]
  for (const { rule: ref, action, mode, peerMatches, peer, portMatches, ports } of side.rules) {
    const matches = peerMatches && portMatches
    lines.push(`  ${matches ? 'match' : 'miss '} ${action}${modeText(mode)} ${refOf(ref)}`)
    lines.push(`          peer  ${peerMatches ? 'yes' : 'no'}: ${peer}`)
    lines.push(`          port  ${portMatches ? 'yes' : 'no'}: ${ports}`)
  }
  if (side.rules.length === 0) lines.push('  no rule of this direction selects the endpoint')
  if (side.rulesLeftOut > 0) lines.push(`  and ${side.rulesLeftOut} rules more`)
  if (side.requestRules.length > 0) lines.push('  requests of this peer on this port:')
  for (const { rule: ref, mode, conditions, matches, misses } of side.requestRules) {
    const found = matches ? 'match' : misses.length > 0 ? 'miss ' : 'rule '
    lines.push(`    ${found} ${refOf(ref)}${modeText(mode)}: ${conditions}`)
    for (const miss of misses) lines.push(`            ${miss}`)
  }
  if (side.requestRulesLeftOut > 0) lines.push(`    and ${side.requestRulesLeftOut} rules more`)
  return lines
}

function refOf(ref: RuleRef__Output | null): string {
  return ref === null ? '' : refText(ref)
}

function modeText(mode: string): string {
  return mode === 'enforce' || mode === '' ? '' : ` (${mode})`
}

function entryText(entry: PolicyMapRow__Output | null): string {
  if (entry === null) return 'no entry'
  const peer = entry.identity === 0 ? 'any peer' : `identity ${entry.identity}`
  const port = entry.port === 'ANY' ? 'any port' : `port ${entry.port}`
  const protocol = entry.protocol === 'ANY' ? 'any protocol' : entry.protocol
  return `entry for ${peer}, ${protocol}, ${port}, precedence ${entry.precedence}`
}
