// Modes of rules on the wire.
import type { WeirRuleMode, WeirRuleMode__Output } from '../gen/cilium/WeirRuleMode.ts'
import { WeirError } from '../lib/errors.ts'
import type { RuleMode } from './network-policy.ts'

const WIRE_MODES = { enforce: 'WEIR_ENFORCE', audit: 'WEIR_AUDIT', shadow: 'WEIR_SHADOW' } as const

export function encodeMode(mode: RuleMode | undefined): { weirMode?: WeirRuleMode } {
  return mode === undefined || mode === 'enforce' ? {} : { weirMode: WIRE_MODES[mode] }
}

/** @throws WeirError POLICY_INVALID for a mode of a later version. */
export function decodeMode(wire: WeirRuleMode__Output, at: string): { mode?: RuleMode } {
  switch (wire) {
    case 'WEIR_ENFORCE':
      return {}
    case 'WEIR_AUDIT':
      return { mode: 'audit' }
    case 'WEIR_SHADOW':
      return { mode: 'shadow' }
    default:
      throw new WeirError('POLICY_INVALID', `${at}: weir_mode ${String(wire)} is not supported`)
  }
}
