// Pieces of records that many connections share, as JSON text: made once, and held once.
import type { FlowEndpoint } from '../lib/flow.ts'
import type { Verdict } from '../l7rules/verdict.ts'
import { asciiJson, jsonEscape } from './json-string.ts'
import { outcomeOf } from './outcome.ts'

/** What a verdict contributes. */
export interface VerdictText {
  /** Right after the time stamp, with its comma. */
  readonly head: string
  /** After the summary, up to the byte counts. */
  readonly tail: string
}

/** Kept of either kind, then all are forgotten: identities and rules come and go. */
const MAX_KEPT = 4096

export class RecordParts {
  readonly #ends = new Map<FlowEndpoint, Map<FlowEndpoint, string>>()
  #endsKept = 0
  readonly #verdicts = new Map<Verdict, VerdictText>()
  #revision = -1

  /** `"source":{...},"destination":{...},"Type":"L7",`. Remembered by the objects, not by what is in them. */
  ends(source: FlowEndpoint, destination: FlowEndpoint): string {
    const known = this.#ends.get(source)?.get(destination)
    if (known !== undefined) return known
    const text = flat(`${asciiJson({ source, destination, Type: 'L7' }).slice(1, -1)},`)
    if (this.#endsKept++ >= MAX_KEPT) {
      this.#ends.clear()
      this.#endsKept = 1
    }
    const bySource = this.#ends.get(source) ?? new Map<FlowEndpoint, string>()
    this.#ends.set(source, bySource.set(destination, text))
    return text
  }

  verdict(verdict: Verdict, revision: number, error: string): VerdictText {
    // With findings it is about one request.
    const isShared = error === '' && verdict.notes === undefined && verdict.shadow === undefined
    if (!isShared) return makeText(verdict, revision, error)
    if (revision !== this.#revision || this.#verdicts.size >= MAX_KEPT) {
      this.#revision = revision
      this.#verdicts.clear()
    }
    const known = this.#verdicts.get(verdict)
    if (known !== undefined) return known
    const text = makeText(verdict, revision, error)
    this.#verdicts.set(verdict, text)
    return text
  }
}

function makeText(verdict: Verdict, revision: number, error: string): VerdictText {
  const outcome = outcomeOf(verdict, error)
  const drop = outcome.dropReason === '' ? '' : `"drop_reason_desc":"${jsonEscape(outcome.dropReason)}",`
  const { rule, direction } = outcome.decision
  return {
    head: flat(`"verdict":"${outcome.verdict}",${drop}`),
    tail: flat(
      `"traffic_direction":"${direction === 'ingress' ? 'INGRESS' : 'EGRESS'}"` +
        `,"weir":{"where":"proxy","rule":"${jsonEscape(rule)}","reason":"${jsonEscape(outcome.reason)}"` +
        `,"revision":${revision}${findings(verdict)},"request_bytes":`,
    ),
  }
}

/** What shadow rules and header actions found, as further fields of `weir`. */
function findings({ shadow, notes }: Verdict): string {
  let fields = ''
  if (shadow !== undefined) {
    const plan = shadow.allowed ? 'FORWARDED' : 'DROPPED'
    fields += `,"shadow":${asciiJson({ verdict: plan, rule: shadow.rule, reason: shadow.reason })}`
  }
  for (const kind of ['missing', 'rejected'] as const) {
    const found = (notes ?? []).filter((note) => note.kind === kind)
    const pairs = found.map(({ name, value }) => ({ key: name, value }))
    if (pairs.length > 0) fields += `,"${kind}_headers":${asciiJson(pairs)}`
  }
  return fields
}

const scratch = Buffer.allocUnsafeSlow(4096)

/** A string made by concatenation is a tree that every later copy would have to walk: make it one piece. */
export function flat(ascii: string): string {
  if (ascii.length > scratch.length) return Buffer.from(ascii, 'latin1').toString('latin1')
  return scratch.toString('latin1', 0, scratch.write(ascii, 'latin1'))
}
