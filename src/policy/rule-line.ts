// Where rules stand in their file, found by the path in their names.
import { isNode, LineCounter, parseDocument } from 'yaml'
import type { ParsedPolicy } from './rule-model.ts'

/** Line of a rule such as `default/p ingress[0].toPorts[0]`, counted from 1 in the file of the policy. */
export type RuleLines = (ruleName: string) => number

/**
 * Reads the text of the policy once. What cannot be found, as behind an alias, gets the line of the nearest
 * part around it, at last that of the policy.
 */
export function ruleLines(policy: ParsedPolicy): RuleLines {
  const lines = new LineCounter()
  const document = parseDocument(policy.yaml, { lineCounter: lines, logLevel: 'silent' })
  const lineOf = (node: unknown): number | undefined => {
    const offset = isNode(node) ? node.range?.[0] : undefined
    return offset === undefined ? undefined : lines.linePos(offset).line
  }
  const first = lineOf(document.contents) ?? 1
  return (ruleName) => {
    const path = pathOf(policy.key, ruleName)
    for (let length = path.length; length > 0; length--) {
      const line = lineOf(document.getIn(path.slice(0, length), true))
      if (line !== undefined) return policy.line + line - first
    }
    return policy.line
  }
}

/** Key of the policy that a rule belongs to. */
export function policyKeyOf(ruleName: string): string {
  const blank = ruleName.indexOf(' ')
  return blank < 0 ? ruleName : ruleName.slice(0, blank)
}

function pathOf(key: string, ruleName: string): (string | number)[] {
  // What follows a second blank is a name or a remark for people.
  const [text = ''] = ruleName.slice(key.length + 1).split(' ')
  if (text === '') return []
  const steps = [...text.matchAll(/([A-Za-z]+)|\[(\d+)\]/g)].map(([, name, index]) => name ?? Number(index))
  return steps[0] === 'specs' ? steps : ['spec', ...steps]
}
