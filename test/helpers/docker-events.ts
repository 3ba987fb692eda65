// What an engine tells while a test goes on, with the engine's own times.
import http from 'node:http'
import { type DockerEngine } from './docker-engine.ts'
import { waitFor } from './wait.ts'

interface Told {
  readonly Type: string
  readonly Action: string
  readonly timeNano: number
}

export interface ToldEvent {
  /** `container start` */
  readonly what: string
  /** Milliseconds since 1970. */
  readonly time: number
}

export class EngineEvents {
  readonly #told: ToldEvent[] = []
  #isOpen = false

  /** From here on none is missed. They end with the test `t`. */
  static async follow(
    t: { teardown(handler: () => void): void },
    engine: DockerEngine,
  ): Promise<EngineEvents> {
    const events = new EngineEvents()
    const request = http.get({ socketPath: engine.socket, path: '/events' }, (response) => {
      events.#isOpen = true
      let rest = ''
      response.setEncoding('utf8').on('data', (text: string) => {
        const lines = (rest + text).split('\n')
        rest = lines.pop() ?? ''
        for (const line of lines) events.#take(JSON.parse(line) as Told)
      })
      response.on('error', () => undefined)
    })
    request.on('error', () => undefined)
    t.teardown(() => request.destroy())
    await waitFor(() => events.#isOpen, { what: 'the stream of events to open' })
    return events
  }

  /** How many there are so far. */
  get count(): number {
    return this.#told.length
  }

  /** Resolves with the first of that kind after the first `since`. */
  next(what: string, since: number): Promise<ToldEvent> {
    return waitFor(() => this.#told.slice(since).find((event) => event.what === what), {
      what: `the engine to tell of ${what}`,
    })
  }

  #take({ Type, Action, timeNano }: Told): void {
    this.#told.push({ what: `${Type} ${Action}`, time: timeNano / 1e6 })
  }
}
