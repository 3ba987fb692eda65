// Waiting for a state that announces itself by no event: polling at 10 ms, with a deadline and a name.
import { setTimeout as sleep } from 'node:timers/promises'

const POLL_MS = 10
/**
 * How long tests wait for what must happen. Only a failure takes that long; a machine that is busy with other things
 * as well, or has none of its own, may stand still for seconds.
 */
export const PATIENCE_MS = 30_000

export interface WaitOptions {
  /** For the message of the failure: `timed out after 30000 ms waiting for ${what}`. */
  readonly what: string
  /** Default `PATIENCE_MS`. */
  readonly timeoutMs?: number
}

/**
 * Poll until `condition` returns something that is neither false nor undefined, and return it.
 * A condition that throws counts as not yet; its last error becomes the cause of the timeout.
 */
export async function waitFor<T>(
  condition: () => T | Promise<T>,
  { what, timeoutMs = PATIENCE_MS }: WaitOptions,
): Promise<Exclude<T, false | undefined>> {
  const deadline = performance.now() + timeoutMs
  let cause: unknown
  for (;;) {
    try {
      const value = await condition()
      if (value !== false && value !== undefined) return value as Exclude<T, false | undefined>
      cause = undefined
    } catch (error) {
      cause = error
    }
    if (performance.now() >= deadline) {
      throw new Error(`timed out after ${timeoutMs} ms waiting for ${what}`, { cause })
    }
    await sleep(POLL_MS)
  }
}
