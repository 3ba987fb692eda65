// The story, played by a cast, and the table of what became of it.
import { type Flow } from '../src/lib/flow.ts'
import { waitFor } from '../test/helpers/wait.ts'
import { type Cast, CONNECT_TIMEOUT_MS, isRight, matchRecords, play, type Scene } from './story.ts'
import { formatTable } from './table.ts'

/** @returns whether every outcome was right */
export async function perform(cast: Cast, flows: () => Promise<Flow[]>): Promise<boolean> {
  console.log(
    `playing: every ship, over IPv4 and IPv6 (a dropped connection is given up after ${CONNECT_TIMEOUT_MS / 1000} s)\n`,
  )
  const scenes = await play(cast)
  const records = await waitForRecords(flows, scenes)
  printTable(scenes, records)
  const isAllRight = scenes.every((scene, index) => isRight(scene, records[index]))
  console.log(isAllRight ? '\nEvery outcome is right.' : '\nNOT every outcome is right.')
  return isAllRight
}

/** Records reach the agent a moment after the answers reach the client. */
async function waitForRecords(
  flows: () => Promise<Flow[]>,
  scenes: readonly Scene[],
): Promise<(Flow | undefined)[]> {
  let records: (Flow | undefined)[] = []
  await waitFor(
    async () => {
      records = matchRecords(scenes, await flows())
      return records.every((record) => record !== undefined)
    },
    { what: 'a record of every request', timeoutMs: 10_000 },
  ).catch(() => undefined) // the table shows what is missing
  return records
}

function printTable(scenes: readonly Scene[], records: readonly (Flow | undefined)[]): void {
  const rows = scenes.map((scene, index) => {
    const flow = records[index]
    const result = isRight(scene, flow)
      ? scene.outcome
      : `${scene.outcome} (WRONG, expected ${scene.expected})`
    const decided = flow === undefined ? 'no record' : decisionOf(flow)
    return [
      scene.who,
      scene.family,
      `${scene.method} ${scene.path}`,
      result,
      decided,
      flow?.weir.where ?? '?',
    ]
  })
  console.log(
    formatTable(['who', 'over', 'request to the deathstar', 'what happened', 'decided by', 'where'], rows),
  )
}

/** The rule that allowed it, or the reason and the rule that did not. docs/errors.md explains reasons. */
function decisionOf(flow: Flow): string {
  const { rule, reason } = flow.weir
  if (flow.verdict === 'FORWARDED') return rule
  return rule === '' ? reason : `${reason} in ${rule}`
}
