// Keep-alive connections that send one request after the other, while a test says which answers are right.
import { type Namespace } from './namespace.ts'
import { RawHttpClient } from './raw-http.ts'
import { type Destination } from './tcp.ts'
import { waitFor } from './wait.ts'

export interface SteadyOptions {
  readonly path: string
  readonly connections: number
}

export interface SteadyResult {
  readonly answered: number
  /** Statuses that no answer to a request sent at that time may have. */
  readonly unexpected: readonly number[]
  /** How connections ended before `stop`. */
  readonly broken: readonly string[]
}

export interface SteadyRequests {
  /**
   * Statuses that answers to requests from now on may have. A request that was under way at a change may
   * be answered as before or after it.
   */
  mayBe(...statuses: readonly number[]): void
  /** Resolves after so many more answers. */
  answers(count: number): Promise<void>
  stop(): SteadyResult
}

export async function steadyRequests(
  from: Namespace,
  to: Destination,
  { path, connections }: SteadyOptions,
): Promise<SteadyRequests> {
  let allowed: readonly number[] = [200]
  let answered = 0
  let isStopped = false
  const unexpected: number[] = []
  const broken: string[] = []
  const clients = await Promise.all(Array.from({ length: connections }, () => RawHttpClient.open(from, to)))

  const run = async (client: RawHttpClient): Promise<void> => {
    void client.ended.then((how) => {
      if (!isStopped) broken.push(how)
    })
    while (!isStopped) {
      const allowedBefore = allowed
      client.get(path)
      const { status } = await client.response()
      answered++
      if (!allowedBefore.includes(status) && !allowed.includes(status)) unexpected.push(status)
    }
  }
  const runs = clients.map((client) =>
    run(client).catch((error: unknown) => {
      if (!isStopped) broken.push(String(error))
    }),
  )
  void Promise.all(runs)
  return {
    mayBe(...statuses) {
      allowed = statuses
    },
    async answers(count) {
      const wanted = answered + count
      await waitFor(() => answered >= wanted || broken.length === connections, { what: `${count} answers` })
    },
    stop() {
      isStopped = true
      for (const client of clients) client.close()
      return { answered, unexpected, broken }
    },
  }
}
