// How many connections a process may hold here.
import { readFileSync } from 'node:fs'
import { runSync } from '../../test/helpers/command.ts'

/** More than any case needs. */
const WANTED = 40_000
/** Libraries, logs, maps, listeners. */
const OTHER_DESCRIPTORS = 300

/** Children inherit it. Beyond the hard limit only where the machine lets us. */
export function raiseDescriptorLimit(): void {
  const hard = Math.max(hardLimit(), WANTED)
  for (const limit of [hard, hardLimit()]) {
    try {
      runSync(['prlimit', '--pid', String(process.pid), `--nofile=${limit}:${limit}`])
      return
    } catch {
      // root without CAP_SYS_RESOURCE, as in many containers
    }
  }
}

/** Connections that a proxy can hold, client and server side each. */
export function maxPairs(): number {
  return Math.floor((hardLimit() - OTHER_DESCRIPTORS) / 2)
}

function hardLimit(): number {
  const limits = readFileSync('/proc/self/limits', 'utf8')
  return Number(/^Max open files\s+\d+\s+(\d+)/m.exec(limits)?.[1] ?? 1024)
}
