// Waiting for events: a value that other code hands over later, and a log that tests can read.
import { createWriteStream } from 'node:fs'
import { pino } from 'pino'
import type { Logger } from '../../src/lib/log.ts'

/** Values pushed by callbacks and awaited, in order, by a test. */
export class Mailbox<T> {
  readonly #values: T[] = []
  readonly #takers: ((value: T) => void)[] = []

  readonly push = (value: T): void => {
    const taker = this.#takers.shift()
    if (taker === undefined) this.#values.push(value)
    else taker(value)
  }

  /** The oldest value not taken yet. The test's own timeout bounds the wait. */
  take(): Promise<T> {
    if (this.#values.length > 0) return Promise.resolve(this.#values.shift() as T)
    return new Promise((resolve) => this.#takers.push(resolve))
  }

  /** Take until `accepts` holds. */
  async takeUntil(accepts: (value: T) => boolean): Promise<T> {
    for (;;) {
      const value = await this.take()
      if (accepts(value)) return value
    }
  }
}

export interface LogLine {
  readonly level: number
  readonly msg: string
  readonly [field: string]: unknown
}

/** A logger whose lines arrive in a mailbox; WEIR_TEST_LOG=1 also shows them. */
export function logTo(mailbox: Mailbox<LogLine>): Logger {
  const show = process.env['WEIR_TEST_LOG'] === '1' ? createWriteStream('/dev/stderr') : undefined
  return pino(
    { level: 'debug' },
    {
      write(text: string): void {
        show?.write(text)
        mailbox.push(JSON.parse(text) as LogLine)
      },
    },
  )
}
