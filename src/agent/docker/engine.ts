// The Docker engine API on its unix socket: the few questions that Weir has, and the stream of events.
import { Agent, type Dispatcher, errors, request } from 'undici'
import type { z } from 'zod'
import { errorMessage, WeirError } from '../../lib/errors.ts'
import {
  containersSchema,
  type EngineContainer,
  type EngineEvent,
  type EngineNetwork,
  type EngineNetworkDetail,
  eventSchema,
  inspectSchema,
  networkSchema,
  networksSchema,
  versionSchema,
} from './engine-types.ts'

/** Of Docker Engine 20.10. Nothing that is asked here has changed since; an engine that wants more gets more. */
export const MIN_API_VERSION = '1.41'
const MIN_ENGINE = 'Docker Engine 20.10'
/** Never resolved: the socket decides who answers. */
const ORIGIN = 'http://docker'
const ANSWER_TIMEOUT_MS = 10_000
/** The engine keeps questions about a container waiting that it is working on. */
const BUSY_TIMEOUT_MS = 1_000
const MAX_EVENT_LINE_BYTES = 1 << 20
const NOT_FOUND = 404

export class Engine {
  readonly socket: string
  /** As it calls itself, e.g. `20.10.24`. */
  readonly version: string
  readonly #api: string
  readonly #agent: Agent

  private constructor(socket: string, version: string, api: string, agent: Agent) {
    this.socket = socket
    this.version = version
    this.#api = api
    this.#agent = agent
  }

  /** @throws WeirError DOCKER_UNREACHABLE, DOCKER_UNSUPPORTED */
  static async connect(socket: string): Promise<Engine> {
    const agent = new Agent({
      connect: { socketPath: socket },
      headersTimeout: ANSWER_TIMEOUT_MS,
      bodyTimeout: ANSWER_TIMEOUT_MS,
    })
    try {
      const answer = await send(agent, socket, '/version')
      const version = versionSchema.safeParse(answer.status === 200 ? parseJson(answer.text) : undefined)
      if (!version.success) throw notAnEngine(socket, `GET /version is answered by status ${answer.status}`)
      const { Version, ApiVersion, MinAPIVersion = MIN_API_VERSION } = version.data
      if (compareVersions(ApiVersion, MIN_API_VERSION) < 0) {
        throw new WeirError(
          'DOCKER_UNSUPPORTED',
          `${socket}: engine ${Version} speaks API ${ApiVersion}, ${MIN_API_VERSION} is needed`,
          { mend: `install ${MIN_ENGINE} or newer` },
        )
      }
      const api = compareVersions(MinAPIVersion, MIN_API_VERSION) > 0 ? MinAPIVersion : MIN_API_VERSION
      return new Engine(socket, Version, `/v${api}`, agent)
    } catch (error) {
      await agent.destroy()
      throw error
    }
  }

  /** All, whatever their state. */
  containers(): Promise<readonly EngineContainer[]> {
    return this.#get('/containers/json?all=1', containersSchema)
  }

  networks(): Promise<readonly EngineNetwork[]> {
    return this.#get('/networks', networksSchema)
  }

  /** undefined = it is gone. */
  network(id: string): Promise<EngineNetworkDetail | undefined> {
    return this.#find(`/networks/${id}`, networkSchema)
  }

  /** Process id of a container; undefined = it does not run (any more), or the engine is busy with it. */
  async pidOf(id: string): Promise<number | undefined> {
    const path = `/containers/${id}/json`
    try {
      const answer = await this.#find(path, inspectSchema, BUSY_TIMEOUT_MS)
      return answer === undefined || answer.State.Pid === 0 ? undefined : answer.State.Pid
    } catch (error) {
      if (error instanceof WeirError && error.cause instanceof errors.HeadersTimeoutError) return undefined
      throw error
    }
  }

  /**
   * Events of containers and networks as they happen. `onOpen`: from here on none is missed. Ends when the engine
   * ends it. @throws WeirError DOCKER_UNREACHABLE
   */
  async *events(signal: AbortSignal, onOpen: () => void): AsyncGenerator<EngineEvent> {
    const filters = encodeURIComponent(JSON.stringify({ type: ['container', 'network'] }))
    const path = `${this.#api}/events?filters=${filters}`
    try {
      const { statusCode, body } = await request(`${ORIGIN}${path}`, {
        dispatcher: this.#agent,
        signal,
        bodyTimeout: 0,
      })
      if (statusCode !== 200)
        throw notAnEngine(this.socket, `GET ${path} is answered by status ${statusCode}`)
      onOpen()
      yield* readEvents(body)
    } catch (error) {
      throw error instanceof WeirError ? error : unreachable(this.socket, error)
    }
  }

  async close(): Promise<void> {
    await this.#agent.destroy()
  }

  async #get<T>(path: string, schema: z.ZodType<T>): Promise<T> {
    const answer = await this.#find(path, schema)
    if (answer === undefined) throw notAnEngine(this.socket, `GET ${path} is answered by status ${NOT_FOUND}`)
    return answer
  }

  async #find<T>(path: string, schema: z.ZodType<T>, timeoutMs?: number): Promise<T | undefined> {
    const { status, text } = await send(this.#agent, this.socket, `${this.#api}${path}`, timeoutMs)
    if (status === NOT_FOUND) return undefined
    const answer = schema.safeParse(status === 200 ? parseJson(text) : undefined)
    if (answer.success) return answer.data
    const detail = status === 200 ? 'something unexpected' : `status ${status}: ${text.slice(0, 200).trim()}`
    throw new WeirError('DOCKER_UNREACHABLE', `${this.socket}: GET ${path} is answered by ${detail}`)
  }
}

async function send(
  dispatcher: Dispatcher,
  socket: string,
  path: string,
  headersTimeout: number = ANSWER_TIMEOUT_MS,
): Promise<{ status: number; text: string }> {
  try {
    const { statusCode, body } = await request(`${ORIGIN}${path}`, { dispatcher, headersTimeout })
    return { status: statusCode, text: await body.text() }
  } catch (error) {
    throw unreachable(socket, error)
  }
}

/** One JSON object per line. A line that is none is skipped: a re-list makes good what it would have told. */
async function* readEvents(body: AsyncIterable<Buffer>): AsyncGenerator<EngineEvent> {
  let rest = ''
  for await (const chunk of body) {
    const lines = (rest + chunk.toString('utf8')).split('\n')
    rest = lines.pop() ?? ''
    if (rest.length > MAX_EVENT_LINE_BYTES) rest = ''
    for (const line of lines) {
      const event = eventSchema.safeParse(parseJson(line))
      if (event.success) yield event.data
    }
  }
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return undefined
  }
}

/** Negative, 0 or positive, as `1.9` and `1.41` compare. */
function compareVersions(a: string, b: string): number {
  const [majorA = 0, minorA = 0] = a.split('.').map(Number)
  const [majorB = 0, minorB = 0] = b.split('.').map(Number)
  return majorA - majorB || minorA - minorB
}

function notAnEngine(socket: string, detail: string): WeirError {
  return new WeirError('DOCKER_UNREACHABLE', `${socket} is not the socket of a Docker engine: ${detail}`, {
    mend: 'name the socket of the engine with --docker SOCKET',
  })
}

function unreachable(socket: string, error: unknown): WeirError {
  const { code } = error as { code?: string }
  const [problem, mend] = describe(code, error)
  return new WeirError('DOCKER_UNREACHABLE', `${socket}: ${problem}`, { cause: error, mend })
}

function describe(code: string | undefined, error: unknown): [problem: string, mend: string] {
  const start = 'start the engine, or name its socket with --docker SOCKET'
  switch (code) {
    case 'ENOENT':
      return ['there is no such socket', start]
    case 'EACCES':
    case 'EPERM':
      return [
        'this process may not use it',
        'run Weir as root, or as a member of the group that owns the socket',
      ]
    case 'ECONNREFUSED':
    case 'ENOTSOCK':
      return ['nothing answers on it', start]
    default:
      return [errorMessage(error), 'is it the socket of a Docker engine, and does the engine still answer?']
  }
}
