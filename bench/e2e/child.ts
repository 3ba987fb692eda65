// Processes of the benchmark: waited for at the start, ended at the end.
import { type ChildProcess } from 'node:child_process'
import { setTimeout as sleep } from 'node:timers/promises'

const POLL_MS = 20
const MAX_MESSAGES = 4000

/** Resolves when `isUp`. Standard output and error of `child` must be pipes: they are read to their end. */
export async function untilUp(
  child: ChildProcess,
  what: string,
  isUp: (messages: string) => boolean | Promise<boolean>,
  timeoutMs = 30_000,
): Promise<void> {
  let messages = ''
  const gather = (chunk: Buffer): void => {
    messages = (messages + chunk.toString()).slice(-MAX_MESSAGES)
  }
  child.stdout?.on('data', gather)
  child.stderr?.on('data', gather)
  const deadline = performance.now() + timeoutMs
  while (!(await isUp(messages))) {
    if (hasEnded(child)) throw new Error(`${what} ended: ${child.signalCode ?? child.exitCode}\n${messages}`)
    if (performance.now() > deadline) throw new Error(`${what} did not start\n${messages}`)
    await sleep(POLL_MS)
  }
}

export async function endProcess(child: ChildProcess): Promise<void> {
  if (hasEnded(child)) return
  const ended = new Promise((resolve) => child.once('exit', resolve))
  child.kill('SIGTERM')
  const timer = setTimeout(() => child.kill('SIGKILL'), 5_000)
  await ended
  clearTimeout(timer)
}

function hasEnded(child: ChildProcess): boolean {
  return child.exitCode !== null || child.signalCode !== null
}
