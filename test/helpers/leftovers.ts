// What test processes that were killed left on the machine: namespaces, state directories, pins.
import { existsSync, readdirSync, rmSync } from 'node:fs'
import { isRunning, Namespace } from './namespace.ts'

/** Followed by the pid of the test process, which owns everything under the name. */
export const TEST_PREFIX = 'weir-t-'
const OWNED = new RegExp(`^${TEST_PREFIX}(\\d+)-`)

/** @returns the names of what was removed. Things of living processes are left alone. */
export function removeLeftovers(): string[] {
  const namespaces = orphansIn('/run/netns')
  for (const name of namespaces) new Namespace(name).destroy()
  const directories = ['/run', '/sys/fs/bpf'].flatMap((parent) =>
    orphansIn(parent).map((name) => `${parent}/${name}`),
  )
  for (const directory of directories) rmSync(directory, { recursive: true, force: true })
  return [...namespaces, ...directories]
}

function orphansIn(directory: string): string[] {
  if (!existsSync(directory)) return []
  return readdirSync(directory).filter((name) => {
    const owner = OWNED.exec(name)?.[1]
    return owner !== undefined && !isRunning(Number(owner))
  })
}
