// Fuzzing of the Kafka session with random peers that keep to the formats, and damage here and there, through the laws of
// parser.ts; nothing that is denied may reach the broker, and what reaches either peer must consist of whole frames.
// FUZZ_SECONDS says how long (default 5), FUZZ_SEED where to begin. The seed of a failure is in its message.
import { seededRandom } from '../conformance/http1/random.ts'
import { MARKER, RandomMessages, type SentRequest } from '../conformance/kafka/random-messages.ts'
import { kafka, MAX_RETAINED_BYTES } from '../conformance/kafka/subject.ts'
import {
  atRandom,
  byteByByte,
  checkLaws,
  inOnePiece,
  run,
  type ScriptEvent,
} from '../conformance/parser-laws.ts'
import { ORIGINAL, REPLY } from '../../src/l7rules/parser.ts'

export const FUZZ_SECONDS = Number(process.env['FUZZ_SECONDS'] ?? 5)
const FIRST_SEED = Number(process.env['FUZZ_SEED'] ?? Date.now() % 1_000_000_000)

interface Script {
  readonly events: ScriptEvent[]
  readonly isDamaged: boolean
}

function script(random: () => number): Script {
  const below = (limit: number): number => Math.floor(random() * limit)
  const messages = new RandomMessages(random)
  const events: ScriptEvent[] = []
  let isDamaged = false
  const damage = (bytes: Buffer): Buffer => {
    if (random() > 0.03) return bytes
    isDamaged = true
    const copy = Buffer.from(bytes)
    const dice = random()
    if (dice < 0.5) for (let flips = 1 + below(3); flips > 0; flips--) copy[below(copy.length)] = below(256)
    else if (dice < 0.7) return copy.subarray(0, below(copy.length))
    else if (dice < 0.85)
      copy.writeInt32BE([-1, 0x7fffffff, copy.length, 0][below(4)]!, below(copy.length - 3))
    else return Buffer.concat([copy, copy])
    return copy
  }
  const sent: SentRequest[] = []
  const turns = 1 + below(10)
  let answered = 0
  for (let turn = 0; turn < turns; turn++) {
    const client: Buffer[] = []
    for (let count = 1 + below(4); count > 0; count--) {
      const request = messages.request()
      sent.push(request)
      client.push(damage(request.bytes))
    }
    events.push({ direction: ORIGINAL, bytes: Buffer.concat(client) })
    if (random() < 0.3) continue
    // The broker answers what has reached it and was not answered yet.
    const due = arrived(run(kafka(), events, inOnePiece).output(ORIGINAL)).filter(
      ({ id }) => sent[id]?.isMute !== true,
    )
    const replies = due.slice(answered).map((request) => damage(messages.response(request)))
    answered = due.length
    if (replies.length > 0) events.push({ direction: REPLY, bytes: Buffer.concat(replies) })
  }
  if (random() < 0.3) {
    isDamaged = true
    events.splice(below(events.length + 1), 0, { direction: random() < 0.5 ? ORIGINAL : REPLY, bytes: 'end' })
    const ends = events.findIndex(({ bytes }) => bytes === 'end')
    const { direction } = events[ends]!
    const rest = events.splice(ends + 1).filter((event) => event.direction !== direction)
    events.push(...rest)
  }
  return { events, isDamaged }
}

/** Requests that are there as a whole. */
function arrived(output: Buffer): { key: number; version: number; id: number }[] {
  const requests: { key: number; version: number; id: number }[] = []
  let at = 0
  while (at + 12 <= output.length) {
    const next = at + 4 + output.readInt32BE(at)
    if (next > output.length || next < at + 12) break
    requests.push({
      key: output.readInt16BE(at + 4),
      version: output.readInt16BE(at + 6),
      id: output.readInt32BE(at + 8),
    })
    at = next
  }
  return requests
}

function endsWithFrame(output: Buffer): boolean {
  let at = 0
  while (at + 4 <= output.length) at += 4 + output.readInt32BE(at)
  return at === output.length
}

/** @returns what was done. Throws at the first law that is broken. */
export function fuzzKafka(): string {
  const endsAt = Date.now() + FUZZ_SECONDS * 1_000
  let cases = 0
  let errors = 0
  for (let seed = FIRST_SEED; Date.now() < endsAt; seed++) {
    const random = seededRandom(seed)
    const { events, isDamaged } = script(random)
    try {
      const split = cases % 8 === 0 ? byteByByte : atRandom(random)
      const connection = checkLaws(kafka(), events, [split], MAX_RETAINED_BYTES)
      if (connection.errorCode !== '') errors++
      if (!isDamaged) {
        const toBroker = connection.output(ORIGINAL)
        if (toBroker.includes(MARKER)) throw new Error('a denied name reached the broker')
        if (!endsWithFrame(toBroker) || !endsWithFrame(connection.output(REPLY)))
          throw new Error('a frame was cut off')
        if (!GOOD_ENDS.has(connection.errorCode))
          throw new Error(`good peers end with ${connection.errorCode}`)
      }
    } catch (error) {
      const input = JSON.stringify(
        events.map(({ direction, bytes }) => [
          direction,
          bytes === 'end' ? bytes : Buffer.from(bytes).toString('hex'),
        ]),
      )
      throw new Error(`FUZZ_SEED=${seed} fails with ${input}`, { cause: error })
    }
    cases++
  }
  return `${cases} scripts from seed ${FIRST_SEED}, ${errors} ended with an error, no law broken`
}

/** Requests between brokers have no form for a denial. */
const GOOD_ENDS: ReadonlySet<string> = new Set(['', 'KAFKA_NO_DENIAL'])

if (process.argv[1] === import.meta.filename) console.log(fuzzKafka())
