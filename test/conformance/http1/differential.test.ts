// Against http-parser-js and Node's llhttp: on good and damaged pipelines, ours is never the laxer one. What
// ours forwards, they see as the same requests, or they refuse it for a reason that is listed here.
import t from 'tap'
import { ORIGINAL } from '../../../src/l7rules/parser.ts'
import { MemoryConnection } from '../parser-laws.ts'
import { dechunk } from './dechunk.ts'
import { mutatedPipeline } from './mutations.ts'
import { seededRandom } from './random.ts'
import { type Parsed, type ParsedRequest, parseByHttpParserJs, parseByNode } from './references.ts'
import { ALLOWED, http1 } from './subject.ts'

const CASES = Number(process.env['DIFFERENTIAL_CASES'] ?? 3_000)
const SEED = Number(process.env['DIFFERENTIAL_SEED'] ?? 7)

interface Seen extends ParsedRequest {
  /** The bytes from this request on. */
  readonly bytes: string
  readonly index: number
}

/** Why a reference may refuse, or see differently, a request that ours forwards. */
interface Difference {
  readonly reason: string
  readonly applies: (request: Seen, before: readonly Seen[]) => boolean
}

const head = ({ bytes }: Seen): string => bytes.slice(0, bytes.indexOf('\r\n\r\n') + 4)

const NODE_METHODS = new Set(
  (
    'ACL BIND CHECKOUT CONNECT COPY DELETE GET HEAD LINK LOCK M-SEARCH MERGE MKACTIVITY MKCALENDAR MKCOL MOVE ' +
    'NOTIFY OPTIONS PATCH POST PROPFIND PROPPATCH PURGE PUT QUERY REBIND REPORT SEARCH SOURCE SUBSCRIBE TRACE ' +
    'UNBIND UNLINK UNLOCK UNSUBSCRIBE'
  ).split(' '),
)

function looksLikeUpgrade(request: Seen): boolean {
  return /^upgrade:/im.test(head(request)) && /^connection:.*upgrade/im.test(head(request))
}

const DIFFERENCES: readonly Difference[] = [
  {
    reason: 'methods that they have no number for; a rule decides which methods may pass',
    applies: ({ method }) => !NODE_METHODS.has(method),
  },
  {
    reason:
      'Upgrade with a body: they hand the body to the new protocol, RFC 9110 §7.8 frames it first. Either way ' +
      'it is part of the judged request, and nothing follows it before the server decided',
    applies: (request) => looksLikeUpgrade(request),
  },
  {
    reason:
      'http-parser-js finds "upgrade" within other options and stops; ours errs if the server does so too',
    applies: (_request, before) => before.some(looksLikeUpgrade),
  },
]

/** The requests that ours forwards, up to where it ends or waits. */
function parseByOurs(bytes: Buffer): Seen[] {
  const heads: { method: string; target: string }[] = []
  const connection = new MemoryConnection(
    http1(({ method, target }) => {
      heads.push({ method, target })
      return ALLOWED
    }),
  )
  connection.send(ORIGINAL, bytes)
  connection.close()
  let offset = 0
  return heads.map(({ method, target }, index) => {
    const record = connection.subject.observed[index]!
    const start = offset
    offset += record.requestBytes
    const raw = bytes.toString('latin1', start, offset)
    const headEnd = raw.indexOf('\r\n\r\n') + 4
    const isChunked = /^transfer-encoding:/im.test(raw.slice(0, headEnd))
    const rawBody = raw.slice(headEnd)
    const announced = Number(/^content-length:[ \t]*(\d+)/im.exec(raw.slice(0, headEnd))?.[1] ?? 0)
    const decoded = isChunked ? dechunk(rawBody) : { body: rawBody, isComplete: rawBody.length === announced }
    return { method, target, ...decoded, bytes: bytes.toString('latin1', start), index }
  })
}

function disagreement(ours: Seen, theirs: ParsedRequest | undefined, parsed: Parsed): string | undefined {
  if (theirs === undefined) return parsed.isRejected ? 'refused' : 'not seen'
  if (ours.method !== theirs.method) return `method ${theirs.method}`
  if (ours.target !== theirs.target) return `target ${theirs.target}`
  if (!ours.isComplete) return undefined
  if (ours.body !== theirs.body) return `body ${JSON.stringify(theirs.body)}`
  return theirs.isComplete ? undefined : 'body incomplete'
}

async function compare(name: string, parse: (bytes: Buffer) => Parsed | Promise<Parsed>): Promise<void> {
  await t.test(name, async (t) => {
    const random = seededRandom(SEED)
    const met = new Map<string, number>()
    let agreed = 0
    for (let i = 0; i < CASES; i++) {
      const bytes = Buffer.from(mutatedPipeline(random), 'latin1')
      const ours = parseByOurs(bytes)
      const theirs = await parse(bytes)
      for (const [index, request] of ours.entries()) {
        const difference = disagreement(request, theirs.requests[index], theirs)
        if (difference === undefined) {
          agreed++
          continue
        }
        const known = DIFFERENCES.find(({ applies }) => applies(request, ours.slice(0, index)))
        if (known === undefined) t.fail(difference, { input: bytes.toString('latin1'), request })
        else met.set(known.reason, (met.get(known.reason) ?? 0) + 1)
        break
      }
    }
    t.comment(`${agreed} requests seen alike; ${JSON.stringify(Object.fromEntries(met), null, 1)}`)
    t.ok(agreed > CASES / 2, 'most requests are seen alike')
  })
}

await compare('http-parser-js', parseByHttpParserJs)
await compare('llhttp in Node', parseByNode)
