// Rules and routes of ours: free for us while Weir is not running, complete and nobody else's while it is. Pure.
import type { Finding } from '../../lib/finding.ts'
import { ROUTE_TABLE, RULE_PRIORITIES } from '../steering.ts'
import type { Machine } from './machine.ts'

const [FIRST, LAST] = [Math.min(...RULE_PRIORITIES), Math.max(...RULE_PRIORITIES)]

export function diagnoseRouting(machine: Machine): Finding {
  const [problems, mend] = machine.isRunning
    ? [whatIsBroken(machine), 'restart the agent, which puts its own back; move those of others']
    : [whatIsTaken(machine), 'move them, or `weir cleanup` if they are of a dead Weir']
  if (problems.length > 0)
    return { check: 'rules and routes', state: 'blocking', detail: problems.join('; '), mend }
  const detail = machine.isRunning
    ? 'those of Weir are in place'
    : `priorities ${FIRST} to ${LAST} and table ${ROUTE_TABLE} are free`
  return { check: 'rules and routes', state: 'ok', detail, mend: '' }
}

function whatIsTaken({ rules, routes }: Machine): string[] {
  return [
    ...rules
      .filter(({ priority }) => priority >= FIRST && priority <= LAST)
      .map(({ family, priority }) => `IPv${family} rule ${priority} is taken`),
    ...routes.map(({ route }) => `table ${ROUTE_TABLE} holds "${route}"`),
  ]
}

/** Of the families that this namespace has: each has rules of the kernel. */
function whatIsBroken({ rules, routes }: Machine): string[] {
  const families = ([4, 6] as const).filter((family) => rules.some((rule) => rule.family === family))
  return families.flatMap((family) => {
    const found = RULE_PRIORITIES.map((priority) => ({
      priority,
      count: rules.filter((rule) => rule.family === family && rule.priority === priority).length,
    }))
    return [
      ...found
        .filter(({ count }) => count === 0)
        .map(({ priority }) => `IPv${family} rule ${priority} is missing`),
      ...found
        .filter(({ count }) => count > 1)
        .map(({ priority }) => `IPv${family} rule ${priority} is taken twice`),
      ...(routes.some((route) => route.family === family)
        ? []
        : [`IPv${family} table ${ROUTE_TABLE} is empty`]),
    ]
  })
}
