// Limits of time that a promise names, on machines that are slower or busier than the one it was made for.
import { weirCommand } from './weir-process.ts'

/** Of starting Node and loading the smallest command: 0.15 s on an idle machine of 2 cores. */
const SHARE = 4

/**
 * `limitMs` where `weir --version` takes a quarter of it or less; a machine that is busy with other things as well
 * does nothing else faster than that, either.
 */
export async function atPaceOf(limitMs: number): Promise<number> {
  const startedMs = performance.now()
  await weirCommand(['--version'])
  return Math.max(limitMs, SHARE * (performance.now() - startedMs))
}
