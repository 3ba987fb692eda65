// Streams of HTTP/2 that either side resets at any moment: who planned what, what became of it, and whether that fits.
import http2 from 'node:http2'
import { type Socket } from 'node:net'
import { setImmediate as turn } from 'node:timers/promises'
import { type Namespace } from './namespace.ts'
import { listenIn } from './tcp.ts'
import { waitFor } from './wait.ts'

const DENIED = 0.2
/**
 * A client that may give up at any moment: of 2,500 streams of a connection 875 or fewer, so that the 1,000 resets that
 * Weir, and nghttp2 in Node's server, allow at once are never used up, however fast this is.
 */
const CLIENT_RESETS = 0.35
const SERVER_RESETS = 0.25
const MAX_BODY_BYTES = 40_000
const MAX_TURNS = 10
const BODY = Buffer.alloc(MAX_BODY_BYTES, 'weir')
const { NGHTTP2_CANCEL, NGHTTP2_INTERNAL_ERROR, NGHTTP2_NO_ERROR, NGHTTP2_REFUSED_STREAM } = http2.constants
const { NGHTTP2_STREAM_STATE_IDLE } = http2.constants
const CODES = [NGHTTP2_CANCEL, NGHTTP2_INTERNAL_ERROR, NGHTTP2_REFUSED_STREAM]
const STORM_MS = 200_000

/** Of a reset: before the answer, as a rule; after its head; within its body. */
const MOMENTS = ['soon', 'answer', 'body'] as const

interface Reset {
  readonly moment: (typeof MOMENTS)[number]
  readonly code: number
  /** Of the event loop, to wait after that moment. */
  readonly turns: number
}

/** What will become of a stream. The rest is a matter of timing. */
export interface Plan {
  readonly path: string
  readonly isDenied: boolean
  /** 0: no body. */
  readonly requestBytes: number
  readonly answerBytes: number
  /** Before it has read the request. */
  readonly isAnsweredEarly: boolean
  readonly clientReset: Reset | undefined
  readonly serverReset: Reset | undefined
}

/** Paths are `/ok/N`, and `/no/N` for what is to be denied. */
export function makePlans(random: () => number, count: number): Plan[] {
  const pick = <T>(list: readonly T[]): T => list[Math.floor(random() * list.length)]!
  const bytes = (): number => 2 + Math.floor(random() ** 4 * (MAX_BODY_BYTES - 2))
  const maybeReset = (share: number): Reset | undefined => {
    if (random() >= share) return undefined
    return { moment: pick(MOMENTS), code: pick(CODES), turns: 1 + Math.floor(random() ** 2 * MAX_TURNS) }
  }
  return Array.from({ length: count }, (_, i) => {
    const isDenied = random() < DENIED
    return {
      path: `/${isDenied ? 'no' : 'ok'}/${i}`,
      isDenied,
      requestBytes: random() < 0.5 ? 0 : bytes(),
      answerBytes: bytes(),
      isAnsweredEarly: random() < 0.5,
      clientReset: maybeReset(CLIENT_RESETS),
      serverReset: maybeReset(SERVER_RESETS),
    }
  })
}

/** nghttp2 has it: its head is sent, and it is not over. */
function isAlive(stream: http2.Http2Stream): boolean {
  const { state } = stream.state
  return state !== undefined && state !== NGHTTP2_STREAM_STATE_IDLE
}

/** Its moment has come. `onReset` is not called if the stream is over before its turn. */
async function reset(stream: http2.Http2Stream, { turns, code }: Reset, onReset: () => void): Promise<void> {
  const isOver = (): boolean => stream.closed || stream.destroyed
  // Before its head is sent, it would be taken back, and nothing be sent at all.
  for (let i = 0; !isOver() && (i < turns || !isAlive(stream)); i++) await turn()
  if (isOver()) return
  onReset()
  stream.close(code)
  // When both sides end it at once, Node would wait for the end of what it does not send any more.
  while (isAlive(stream)) await turn()
  stream.destroy()
}

// === server ===

/** Does as planned; `/ok/echo` sends back what it gets. */
export class StormServer {
  /** What it did: path of a stream to the code that it was reset with. */
  readonly resets = new Map<string, number>()
  /** What should not have happened. */
  readonly faults: string[] = []
  readonly #plans: readonly Plan[]
  readonly #server = http2.createServer()
  readonly #sockets = new Set<Socket>()

  private constructor(plans: readonly Plan[]) {
    this.#plans = plans
    this.#server.on('connection', (socket: Socket) => this.#sockets.add(socket))
    this.#server.on('session', (session) => {
      for (const event of ['goaway', 'error', 'frameError'])
        session.on(event, (...details: unknown[]) => this.faults.push([event, ...details].join(' ')))
    })
    this.#server.on('stream', (stream, headers) => {
      stream.on('error', () => undefined)
      this.#answer(stream, headers[':path'] ?? '')
    })
  }

  static async start(pod: Namespace, port: number, plans: readonly Plan[]): Promise<StormServer> {
    const server = new StormServer(plans)
    await listenIn(pod, server.#server, port)
    return server
  }

  close(): void {
    this.#server.close()
    for (const socket of this.#sockets) socket.destroy()
  }

  #answer(stream: http2.ServerHttp2Stream, path: string): void {
    if (path === '/ok/echo') {
      stream.respond({ ':status': 200 })
      stream.pipe(stream)
      return
    }
    const plan = this.#plans[Number(path.slice('/ok/'.length))]
    if (plan === undefined || plan.isDenied) {
      this.faults.push(`was asked for ${path}`)
      stream.close(NGHTTP2_INTERNAL_ERROR)
      return
    }
    stream.resume()
    if (plan.isAnsweredEarly) this.#finish(stream, plan)
    else stream.on('end', () => this.#finish(stream, plan))
  }

  #finish(stream: http2.ServerHttp2Stream, { path, answerBytes, serverReset }: Plan): void {
    if (stream.closed || stream.destroyed) return
    if (serverReset?.moment !== 'soon') stream.respond({ ':status': 200 })
    if (serverReset === undefined) stream.end(BODY.subarray(0, answerBytes))
    else {
      if (serverReset.moment === 'body') stream.write(BODY.subarray(0, answerBytes / 2))
      void reset(stream, serverReset, () => this.resets.set(path, serverReset.code))
    }
  }
}

// === client ===

/** Node forgets the brackets of an IPv6 address when it makes up `:authority`. */
export function head(method: string, path: string): http2.OutgoingHttpHeaders {
  return { ':method': method, ':path': path, ':authority': 'server' }
}

export interface Outcome {
  readonly plan: Plan
  /** By the client. */
  readonly isReset: boolean
  /** 0: no answer. */
  readonly status: number
  readonly rstCode: number
  readonly bodyBytes: number
}

/** Send all of `plans`, `inFlight` at once on each connection. Resolves when they are over. */
export async function storm(
  sessions: readonly http2.ClientHttp2Session[],
  inFlight: number,
  plans: readonly Plan[],
): Promise<Outcome[]> {
  const outcomes: Outcome[] = []
  const open = new Set<string>()
  const sendAll = async (session: http2.ClientHttp2Session, own: Iterable<Plan>): Promise<void> => {
    for (const plan of own) {
      open.add(plan.path)
      outcomes.push(await send(session, plan))
      open.delete(plan.path)
    }
  }
  const all = sessions.flatMap((session, i) => {
    const own = plans.filter((_, number) => number % sessions.length === i).values()
    return Array.from({ length: inFlight }, () => sendAll(session, own))
  })
  let hasFailed = false
  const isOver = (): boolean => hasFailed || outcomes.length === plans.length
  const inTime = waitFor(isOver, { what: 'all streams to end', timeoutMs: STORM_MS })
  await Promise.race([Promise.all(all), inTime]).catch((error: unknown) => {
    hasFailed = true
    throw new Error(`${String(error)}; open: ${[...open].slice(0, 10).join(' ')}`)
  })
  return outcomes
}

function send(session: http2.ClientHttp2Session, plan: Plan): Promise<Outcome> {
  const { path, requestBytes, clientReset } = plan
  const hasBody = requestBytes > 0
  const stream = session.request(head(hasBody ? 'POST' : 'GET', path), { endStream: !hasBody })
  let isReset = false
  let status = 0
  let bodyBytes = 0
  const resetNow = (): void => void reset(stream, clientReset!, () => (isReset = true))
  stream.on('response', (received) => (status = Number(received[':status'])))
  stream.on('data', (chunk: Buffer) => (bodyBytes += chunk.length))
  stream.on('error', () => undefined)
  if (clientReset?.moment === 'soon') resetNow()
  else if (clientReset !== undefined)
    stream.once(clientReset.moment === 'answer' ? 'response' : 'data', resetNow)
  if (hasBody) {
    // In two parts: many an end comes between them.
    stream.write(BODY.subarray(0, requestBytes / 2))
    void turn().then(() => stream.writable && stream.end(BODY.subarray(requestBytes / 2, requestBytes)))
  }
  return new Promise((resolve) => {
    stream.on('close', () => resolve({ plan, isReset, status, rstCode: stream.rstCode, bodyBytes }))
  })
}

/** What is wrong with the end of a stream; '' when nothing is. */
export function faultOf(outcome: Outcome, server: StormServer): string {
  const { plan, isReset, status, rstCode, bodyBytes } = outcome
  const { path, isDenied, answerBytes } = plan
  const serverCode = server.resets.get(path)
  const isAnswered = status === (isDenied ? 403 : 200)
  const isWhole = isAnswered && (isDenied || bodyBytes === answerBytes) && rstCode === NGHTTP2_NO_ERROR
  // Node's server may end its side before it comes to reset the stream, which is over then for a client that has ended, too.
  const isCut = rstCode === serverCode || (isAnswered && rstCode === NGHTTP2_NO_ERROR)
  const isBroken = (isAnswered || status === 0) && (isReset || isCut)
  if (isReset || serverCode !== undefined ? isBroken : isWhole) return ''
  return JSON.stringify({ ...outcome, serverCode })
}
