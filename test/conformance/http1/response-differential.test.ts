// Responses against http-parser-js and Node's client, good and damaged ones: what ours passes as complete is the
// same response to them, without exception.
import t from 'tap'
import { ORIGINAL, REPLY } from '../../../src/l7rules/parser.ts'
import { MemoryConnection } from '../parser-laws.ts'
import { dechunk } from './dechunk.ts'
import { mutated } from './mutations.ts'
import { seededRandom } from './random.ts'
import {
  type ParsedResponse,
  parseByHttpParserJs,
  parseByNode,
  type ResponseParser,
} from './response-references.ts'
import { RESPONSES } from './responses.ts'
import { ALLOWED, http1 } from './subject.ts'

const CASES = Number(process.env['DIFFERENTIAL_CASES'] ?? 3_000)
const SEED = Number(process.env['DIFFERENTIAL_SEED'] ?? 7)
const GET = 'GET / HTTP/1.1\r\nHost: a\r\n\r\n'
const NEXT = 'HTTP/1.1 299 Next\r\nContent-Length: 4\r\n\r\nnext'
const SEEDS = RESPONSES.filter(({ bytes, method }) => method === undefined && bytes.length < 500)

/** The first final response, when ours has passed all of it. */
function parseByOurs(bytes: Buffer): (ParsedResponse & { readonly raw: string }) | undefined {
  const connection = new MemoryConnection(http1(() => ALLOWED))
  connection.send(ORIGINAL, GET + GET)
  connection.send(REPLY, bytes)
  connection.end(REPLY)
  const record = connection.subject.observed[0]
  if (record === undefined || record.error !== '' || record.status < 200) return undefined
  const raw = bytes.toString('latin1', 0, record.responseBytes)
  let final = raw
  while (/^HTTP\/1\.[01] 1/.test(final)) final = final.slice(final.indexOf('\r\n\r\n') + 4)
  const headEnd = final.indexOf('\r\n\r\n') + 4
  const isChunked = /^transfer-encoding:/im.test(final.slice(0, headEnd))
  const isBodyless = record.status === 204 || record.status === 304
  const rest = final.slice(headEnd)
  const body = isBodyless ? '' : isChunked ? dechunk(rest).body : rest
  return { status: record.status, body, raw }
}

/** @param isFollowed whether the reference gets what follows the response, too */
async function compare(name: string, parse: ResponseParser, isFollowed: boolean): Promise<void> {
  await t.test(name, async (t) => {
    const random = seededRandom(SEED)
    let agreed = 0
    for (let i = 0; i < CASES; i++) {
      const good = SEEDS[Math.floor(random() * SEEDS.length)]!.bytes
      const bytes = Buffer.from(mutated(good, random) + NEXT, 'latin1')
      const ours = parseByOurs(bytes)
      if (ours === undefined) continue
      const theirs = await parse(isFollowed ? bytes : Buffer.from(ours.raw, 'latin1'))
      if (theirs?.status === ours.status && theirs.body === ours.body) {
        agreed++
        continue
      }
      t.fail('seen differently', { input: bytes.toString('latin1'), ours, theirs })
    }
    t.comment(`${agreed} responses seen alike`)
    t.ok(agreed > CASES / 10, 'many are seen alike')
  })
}

await compare('http-parser-js', parseByHttpParserJs, true)
await compare("llhttp in Node's client", parseByNode, false)
