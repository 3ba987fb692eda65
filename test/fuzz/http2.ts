// Fuzzing of the HTTP/2 session with random peers that keep to the rules, and damage here and there, through the laws
// of parser.ts; what reaches the server must make sense to it and hold nothing that is denied.
// FUZZ_SECONDS says how long (default 5), FUZZ_SEED where to begin. The seed of a failure is in its message.
import { seededRandom } from '../conformance/http1/random.ts'
import { RandomPeers, understand, whole } from '../conformance/http2/peers.ts'
import { http2, MAX_RETAINED_BYTES } from '../conformance/http2/subject.ts'
import { frame } from '../conformance/http2/wire.ts'
import {
  atRandom,
  byteByByte,
  checkLaws,
  type MemoryConnection,
  run,
  inOnePiece,
  type ScriptEvent,
} from '../conformance/parser-laws.ts'
import { ORIGINAL, REPLY } from '../../src/l7rules/parser.ts'

export const FUZZ_SECONDS = Number(process.env['FUZZ_SECONDS'] ?? 5)
const FIRST_SEED = Number(process.env['FUZZ_SEED'] ?? Date.now() % 1_000_000_000)

/** A script of both peers; `isDamaged` once it is not what they would send. */
function script(random: () => number): { events: ScriptEvent[]; isDamaged: boolean } {
  const below = (limit: number): number => Math.floor(random() * limit)
  const peers = new RandomPeers(random)
  const events: ScriptEvent[] = []
  let isDamaged = false
  const damage = (bytes: Buffer): Buffer => {
    if (random() > 0.04) return bytes
    isDamaged = true
    const copy = Buffer.from(bytes)
    const dice = random()
    const at = below(copy.length)
    if (dice < 0.4) for (let flips = 1 + below(3); flips > 0; flips--) copy[below(copy.length)] = below(256)
    else if (dice < 0.6) return copy.subarray(0, at)
    else if (dice < 0.8) {
      const extra = frame(
        below(12),
        below(256),
        below(12),
        Buffer.from(Array.from({ length: below(20) }, () => below(256))),
      )
      return random() < 0.7
        ? Buffer.concat([copy, extra])
        : Buffer.concat([copy.subarray(0, at), extra, copy.subarray(at)])
    } else return Buffer.concat([copy, copy])
    return copy
  }
  events.push({ direction: ORIGINAL, bytes: damage(peers.clientPreface()) })
  events.push({ direction: REPLY, bytes: damage(peers.serverPreface()) })
  const turns = 1 + below(12)
  for (let turn = 0; turn < turns; turn++) {
    const client: Buffer[] = []
    for (let count = 1 + below(4); count > 0; count--) client.push(damage(peers.clientTurn()))
    events.push({ direction: ORIGINAL, bytes: Buffer.concat(client) })
    if (random() < 0.4) continue
    // The server answers what has reached it so far.
    const soFar = serverView(run(http2(), events, inOnePiece))
    const reply = peers.serverTurn(soFar)
    if (reply.length > 0) events.push({ direction: REPLY, bytes: damage(reply) })
  }
  for (const direction of [ORIGINAL, REPLY] as const) {
    if (random() < 0.7) continue
    // The other side goes on as if it had not missed anything.
    isDamaged = true
    const at = below(events.length + 1)
    const rest = events.splice(at).filter((event) => event.direction !== direction)
    events.push({ direction, bytes: 'end' }, ...rest)
  }
  return { events, isDamaged }
}

function serverView(connection: MemoryConnection): Buffer {
  return whole(connection.output(ORIGINAL))
}

/** Nothing denied, nothing that a server could not decode, streams in order. */
function checkServerView(connection: MemoryConnection): void {
  let lastId = 0
  for (const { id, fields } of understand(connection.output(ORIGINAL))) {
    const path = fields.find(([name]) => name === ':path')?.[1]
    if (path === undefined) continue
    if (path.startsWith('/deny')) throw new Error(`a denied request reached the server: ${path}`)
    if (id <= lastId) throw new Error(`stream ${id} after ${lastId}`)
    lastId = id
  }
}

/** @returns what was done. Throws at the first law that is broken. */
export function fuzzHttp2(): string {
  const endsAt = Date.now() + FUZZ_SECONDS * 1_000
  let cases = 0
  let errors = 0
  for (let seed = FIRST_SEED; Date.now() < endsAt; seed++) {
    const random = seededRandom(seed)
    const { events, isDamaged } = script(random)
    try {
      const split = cases % 8 === 0 ? byteByByte : atRandom(random)
      const connection = checkLaws(http2(), events, [split], MAX_RETAINED_BYTES)
      if (connection.errorCode !== '') errors++
      checkServerView(connection)
      if (!isDamaged) {
        if (connection.errorCode !== '') throw new Error(`good peers end with ${connection.errorCode}`)
        understand(connection.output(REPLY))
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

if (process.argv[1] === import.meta.filename) console.log(fuzzHttp2())
