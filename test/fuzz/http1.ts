// Mutation fuzzing of the HTTP/1.x session through the laws of parser.ts, both directions, random splits.
// FUZZ_SECONDS (default 5) says how long, FUZZ_SEED where to begin. The seed of a failure is in its message.
import { ORIGINAL, REPLY } from '../../src/l7rules/parser.ts'
import { mutatedPipeline } from '../conformance/http1/mutations.ts'
import { seededRandom } from '../conformance/http1/random.ts'
import { RESPONSES } from '../conformance/http1/responses.ts'
import { http1, MAX_RETAINED_BYTES } from '../conformance/http1/subject.ts'
import { atRandom, byteByByte, checkLaws, type ScriptEvent } from '../conformance/parser-laws.ts'

export const FUZZ_SECONDS = Number(process.env['FUZZ_SECONDS'] ?? 5)
const FIRST_SEED = Number(process.env['FUZZ_SEED'] ?? Date.now() % 1_000_000_000)
const SHORT_RESPONSES = RESPONSES.filter(({ bytes }) => bytes.length < 500)
const GOOD_RESPONSES = SHORT_RESPONSES.filter(
  ({ result, method }) => result === 'complete' && method === undefined,
)

/** A script of a few client and server turns, most of them plausible. */
function script(random: () => number): ScriptEvent[] {
  const below = (limit: number): number => Math.floor(random() * limit)
  const events: ScriptEvent[] = []
  const turns = 1 + below(5)
  for (let turn = 0; turn < turns; turn++) {
    let requests = mutatedPipeline(random)
    if (random() < 0.3) requests = requests.replaceAll(' /', ' /deny')
    if (random() < 0.1) requests = randomBytes(random, below(200))
    events.push({ direction: ORIGINAL, bytes: Buffer.from(requests, 'latin1') })
    let responses = ''
    for (let count = below(4); count > 0; count--) {
      const table = random() < 0.9 ? GOOD_RESPONSES : SHORT_RESPONSES
      responses += table[below(table.length)]!.bytes
    }
    if (random() < 0.1) responses = responses.slice(0, below(responses.length)) + randomBytes(random, 2)
    events.push({ direction: REPLY, bytes: Buffer.from(responses, 'latin1') })
  }
  // An end anywhere: nothing of its direction follows.
  for (const direction of [ORIGINAL, REPLY] as const) {
    if (random() < 0.6) continue
    const at = below(events.length + 1)
    const rest = events.splice(at).filter((event) => event.direction !== direction)
    events.push({ direction, bytes: 'end' }, ...rest)
  }
  return events
}

function randomBytes(random: () => number, length: number): string {
  return Array.from({ length }, () => String.fromCharCode(Math.floor(random() * 256))).join('')
}

/** @returns what was done. Throws at the first law that is broken. */
export function fuzzHttp1(): string {
  const endsAt = Date.now() + FUZZ_SECONDS * 1_000
  let cases = 0
  let errors = 0
  for (let seed = FIRST_SEED; Date.now() < endsAt; seed++) {
    const random = seededRandom(seed)
    const events = script(random)
    try {
      const split = cases % 8 === 0 ? byteByByte : atRandom(random)
      if (checkLaws(http1(), events, [split], MAX_RETAINED_BYTES).errorCode !== '') errors++
    } catch (error) {
      const input = JSON.stringify(events.map(({ bytes }) => bytes.toString()))
      throw new Error(`FUZZ_SEED=${seed} fails with ${input}`, { cause: error })
    }
    cases++
  }
  return `${cases} scripts from seed ${FIRST_SEED}, ${errors} ended with an error, no law broken`
}

if (process.argv[1] === import.meta.filename) console.log(fuzzHttp1())
