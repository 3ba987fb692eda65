// The proxy has the first core for itself; client and server share the second. Without that the scheduler decides
// anew in each run what they cost each other.
import { availableParallelism } from 'node:os'
import { runSync } from '../../test/helpers/command.ts'

const PROXY_CORE = '0'
const OTHERS_CORE = '1'
const isPinned = availableParallelism() >= 2

export function onOthersCore(command: readonly string[]): string[] {
  return isPinned ? ['taskset', '-c', OTHERS_CORE, ...command] : [...command]
}

export function pinProxy(pid: number): void {
  if (isPinned) runSync(['taskset', '-apc', PROXY_CORE, String(pid)])
}
