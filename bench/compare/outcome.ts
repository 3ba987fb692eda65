// What a scenario finds, for each family, and how both become one cell of a table. An answer is `yes`, `closed`
// (nothing passes), `BYPASSED` (passes unjudged), a time where time is the point, or says what happened.

export const FAMILIES = ['v4', 'v6'] as const
export type Family = (typeof FAMILIES)[number]
export type Outcome = Readonly<Record<Family, string>>

const NAMES = { v4: 'IPv4', v6: 'IPv6' } as const
const TIME = /^(.*?)([\d.]+) ms$/

/** One after the other: scenarios of one site share its servers. What is thrown becomes an answer, too. */
export async function forEachFamily(ask: Ask): Promise<Outcome> {
  return { v4: await answer(ask, 'v4'), v6: await answer(ask, 'v6') }
}

/** For what no other traffic disturbs: nothing has to be waited for twice. */
export async function atOnce(ask: Ask): Promise<Outcome> {
  const [v4, v6] = await Promise.all([answer(ask, 'v4'), answer(ask, 'v6')])
  return { v4, v6 }
}

type Ask = (family: Family) => Promise<string>

const answer = (ask: Ask, family: Family): Promise<string> =>
  ask(family).catch((error: unknown) => `fails: ${firstLine(error)}`)

/** What has no family. */
export function same(answer: string): Outcome {
  return { v4: answer, v6: answer }
}

/** A cell that names no family holds for both; of two times the first is that of IPv4. */
export function cellOf(outcome: Outcome): string {
  const { v4, v6 } = outcome
  if (v4 === v6) return v4
  const [first, second] = [TIME.exec(v4), TIME.exec(v6)]
  if (first !== null && second !== null && first[1] === second[1])
    return `${first[1] ?? ''}${first[2] ?? ''} / ${second[2] ?? ''} ms`
  return FAMILIES.filter((family) => outcome[family] !== 'yes')
    .map((family) => `${NAMES[family]}: ${outcome[family]}`)
    .join('; ')
}

/** Nobody would want it. */
export function isBad(cell: string): boolean {
  return /BYPASSED|fails|broken|hangs|(^|: )no$/.test(cell)
}

function firstLine(error: unknown): string {
  return (error instanceof Error ? error.message : String(error)).split('\n')[0]!.slice(0, 40)
}
