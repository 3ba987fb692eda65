// One worker process, whether started by this agent or left by one that was killed.
import { spawn, type ChildProcess } from 'node:child_process'
import { childId, isAlive, type ProcessId } from './process-id.ts'

/** The exit of a process that is not our child can only be found by looking. */
const POLL_MS = 100

export interface WorkerProcess {
  readonly id: ProcessId
  readonly isAdopted: boolean
  /** Calls back once, with the exit code or signal as text for the log. */
  onExit(callback: (reason: string) => void): void
  kill(signal: NodeJS.Signals): void
}

/**
 * Start `command`. The process has a session of its own and outlives this one, so that a crash or an
 * upgrade of the agent does not disturb traffic; standard output and error are shared.
 * @returns undefined when it could not be started; `onError` tells why if the kernel did.
 */
export function spawnWorker(
  command: readonly [string, ...string[]],
  onError: (error: unknown) => void,
): WorkerProcess | undefined {
  const [file, ...args] = command
  let child: ChildProcess
  try {
    child = spawn(file, args, { detached: true, stdio: ['ignore', 'inherit', 'inherit'] })
  } catch (error) {
    onError(error)
    return undefined
  }
  child.on('error', onError)
  const id = child.pid === undefined ? undefined : childId(child.pid)
  if (id === undefined) return undefined
  return {
    id,
    isAdopted: false,
    onExit: (callback) => child.once('exit', (code, signal) => callback(signal ?? `exit code ${code}`)),
    kill: (signal) => void child.kill(signal),
  }
}

/** Watch over a process that an earlier agent started. */
export function adoptWorker(id: ProcessId): WorkerProcess {
  return {
    id,
    isAdopted: true,
    onExit: (callback) => {
      const timer = setInterval(() => {
        if (isAlive(id)) return
        clearInterval(timer)
        callback('gone')
      }, POLL_MS)
    },
    kill: (signal) => {
      try {
        if (isAlive(id)) process.kill(id.pid, signal)
      } catch {
        // It ended between the look and the signal: onExit tells.
      }
    },
  }
}
