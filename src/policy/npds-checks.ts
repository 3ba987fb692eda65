// What cilium/proxy checks of port entries beyond their fields, with its texts, so that an agent finds what
// it knows in a NACK.
import { WeirError } from '../lib/errors.ts'
import type { PortPolicy, PortRule } from './network-policy.ts'
import { isPass, rulesOfPort } from './rule-order.ts'

/** @throws WeirError POLICY_INVALID. `at` says where the entry is. */
export function checkPortRange(port: number, endPort: number, at: string): void {
  if (endPort === 0 || endPort === port) return
  if (endPort < port) {
    refuse(at, `Invalid port range, end port is less than start port ${port}-${endPort}`)
  }
  if (port === 0) refuse(at, `Invalid port range including the wildcard zero port ${port}-${endPort}`)
}

/**
 * Down to the precedence that a pass leads below, all passes must lead there: else the tier of a rule would
 * depend on the peer. Checked for the rules that meet on a port, whichever entries they come from.
 * @throws WeirError POLICY_INVALID
 */
export function checkPasses(ports: readonly PortPolicy[], at: string): void {
  if (!ports.some(({ rules }) => rules.some(isPass))) return
  const starts = new Set([0])
  for (const { port, endPort } of ports) starts.add(port).add(endPort + 1)
  for (const port of starts) checkTiers(rulesOfPort(ports, port), at)
}

function checkTiers(rules: readonly PortRule[], at: string): void {
  let tierEnd = 0
  for (const { precedence, passPrecedence = 0 } of rules) {
    if (precedence < tierEnd) tierEnd = 0
    if (passPrecedence === 0) continue
    if (tierEnd === 0) tierEnd = passPrecedence
    else if (passPrecedence !== tierEnd) {
      refuse(at, `Inconsistent pass precedence ${passPrecedence} != ${tierEnd}`)
    }
  }
}

function refuse(at: string, problem: string): never {
  throw new WeirError('POLICY_INVALID', `${at}: PortNetworkPolicy: ${problem}`)
}
