// `spec` and `specs` of Cilium's policies.
import type { Rule } from '../rule-model.ts'
import type { Cursor, Fields } from '../yaml-cursor.ts'
import { parseRule, type RuleContext } from './rule.ts'

/** @param context its prefix is that of the policy. */
export function parseCiliumRules(root: Cursor, fields: Fields, context: RuleContext): Rule[] {
  const specAt = fields.get('spec')
  const specsAt = fields.get('specs')
  if (specAt === undefined && specsAt === undefined) root.failMissing('spec', 'add spec or specs')
  const rules: (Rule | undefined)[] = []
  if (specAt !== undefined) rules.push(parseRule(specAt, context))
  const items = specsAt?.items() ?? []
  if (specsAt !== undefined && specsAt.isList && items.length === 0) specsAt.fail('lists no rule', 'add one')
  items.forEach((item, i) => {
    rules.push(parseRule(item, { ...context, prefix: `${context.prefix}specs[${i}].` }))
  })
  return rules.filter((rule) => rule !== undefined)
}
