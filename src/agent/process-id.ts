// Names a process for good: pids are reused, a pid with its start time is not.
import { readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs'

export interface ProcessId {
  readonly pid: number
  /** Clock ticks since boot, as text: field 22 of /proc/PID/stat. */
  readonly startTime: string
}

/** @returns undefined when there is no such process, or only its zombie. */
export function processId(pid: number): ProcessId | undefined {
  const entry = readEntry(pid)
  return entry === undefined || entry.state === 'Z' || entry.state === 'X' ? undefined : entry.id
}

/** Of a process that this one has started and not heard the end of: the kernel keeps its entry until then. */
export function childId(pid: number): ProcessId | undefined {
  return readEntry(pid)?.id
}

function readEntry(pid: number): { readonly id: ProcessId; readonly state: string } | undefined {
  let stat: string
  try {
    stat = readFileSync(`/proc/${pid}/stat`, 'latin1')
  } catch {
    return undefined
  }
  // The second field is the command in parentheses and may hold anything, also parentheses and spaces.
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ')
  const [state = ''] = fields
  const startTime = fields[19]
  return startTime === undefined ? undefined : { id: { pid, startTime }, state }
}

export function isAlive(id: ProcessId): boolean {
  return processId(id.pid)?.startTime === id.startTime
}

/** `PID START_TIME\n`. @returns undefined when the file is missing or holds something else. */
export function readPidFile(path: string): ProcessId | undefined {
  let text: string
  try {
    text = readFileSync(path, 'latin1')
  } catch {
    return undefined
  }
  const [, pid, startTime] = /^([1-9]\d{0,9}) (\d+)\n$/.exec(text) ?? []
  return pid === undefined || startTime === undefined ? undefined : { pid: Number(pid), startTime }
}

export function pidFileText(id: ProcessId): string {
  return `${id.pid} ${id.startTime}\n`
}

/** Replaces the file in one step: a reader sees the old or the new content. */
export function writePidFile(path: string, id: ProcessId): void {
  const temporary = `${path}.${process.pid}.tmp`
  writeFileSync(temporary, pidFileText(id), { mode: 0o600 })
  renameSync(temporary, path)
}

/** Remove the file if it still names `id`. */
export function removePidFile(path: string, id: ProcessId): void {
  const named = readPidFile(path)
  if (named?.pid === id.pid && named.startTime === id.startTime) rmSync(path, { force: true })
}
