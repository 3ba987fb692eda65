// One agent per state directory. The lock is a pid file that dies with its process: no clean-up after kill -9.
import { linkSync, mkdirSync, readFileSync, renameSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { WeirError, errorMessage } from '../lib/errors.ts'
import { isAlive, pidFileText, processId, readPidFile, removePidFile } from './process-id.ts'

const LOCK_FILE = 'agent.pid'
/** Each failed attempt means that another agent started or died in between. */
const MAX_ATTEMPTS = 5

/**
 * Take the lock of `stateDir`, made with mode 0700 if missing. Returns the function that releases it.
 * @throws WeirError ALREADY_RUNNING naming the pid of the holder; CONFIG_INVALID when nothing can be written there.
 */
export function lockInstance(stateDir: string): () => void {
  makeDirectory(stateDir)
  const path = join(stateDir, LOCK_FILE)
  const self = processId(process.pid)
  if (self === undefined) throw new WeirError('KERNEL_CALL_FAILED', 'read /proc/self/stat: is /proc mounted?')
  const mine = `${path}.${process.pid}.tmp`
  writeIn(stateDir, mine, pidFileText(self))
  try {
    for (let attempt = 0; attempt < MAX_ATTEMPTS; attempt++) {
      if (tryLink(mine, path)) return () => removePidFile(path, self)
      const holder = readPidFile(path)
      if (holder !== undefined && isAlive(holder)) throw alreadyRunning(stateDir, holder.pid)
      removeStale(path)
    }
  } finally {
    rmSync(mine, { force: true })
  }
  throw new WeirError('ALREADY_RUNNING', `${path} changes hands all the time`, {
    mend: 'see which service keeps starting agents with this --state-dir',
  })
}

/** With its parents. `mkdirSync` does it, too, but never returns where nothing can be made, as in /proc. */
function makeDirectory(path: string, of = path): void {
  if (isDirectory(path)) return
  try {
    if (dirname(path) !== path) makeDirectory(dirname(path), of)
    mkdirSync(path, { mode: 0o700 })
  } catch (cause) {
    if (cause instanceof WeirError) throw cause
    if (isDirectory(path)) return // another one has just made it
    throw unusable(of, cause)
  }
}

function isDirectory(path: string): boolean {
  try {
    return statSync(path).isDirectory()
  } catch {
    return false // making it tells why
  }
}

function writeIn(stateDir: string, file: string, text: string): void {
  try {
    writeFileSync(file, text, { mode: 0o600 })
  } catch (cause) {
    throw unusable(stateDir, cause)
  }
}

function unusable(stateDir: string, cause: unknown): WeirError {
  return new WeirError('CONFIG_INVALID', `--state-dir ${stateDir}: ${errorMessage(cause)}`, {
    cause,
    mend: 'name a directory that this user can make and write to, on a disk with room, e.g. /run/weir',
  })
}

/** Link, unlike rename or write, fails when the file is there: exactly one of several agents succeeds. */
function tryLink(from: string, to: string): boolean {
  try {
    linkSync(from, to)
    return true
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'EEXIST') return false
    throw new WeirError('KERNEL_CALL_FAILED', `link ${to}: ${errorMessage(error)}`, { cause: error })
  }
}

/**
 * Between our look and the removal, another agent may have replaced the stale file by its own. So the file
 * is moved away first, looked at again, and put back if its owner lives.
 */
function removeStale(path: string): void {
  const aside = `${path}.${process.pid}.stale`
  try {
    renameSync(path, aside)
  } catch {
    return // gone already: try again
  }
  const owner = readPidFile(aside)
  if (owner !== undefined && isAlive(owner)) tryLink(aside, path)
  rmSync(aside, { force: true })
}

function alreadyRunning(stateDir: string, pid: number): WeirError {
  return new WeirError(
    'ALREADY_RUNNING',
    `agent ${pid}${commandOf(pid)} uses the state directory ${stateDir}`,
    {
      mend: `stop it with \`kill ${pid}\`, or use another --state-dir`,
    },
  )
}

function commandOf(pid: number): string {
  try {
    return ` (${readFileSync(`/proc/${pid}/comm`, 'utf8').trim()})`
  } catch {
    return ''
  }
}
