// Settings of the network namespace, by their path below /proc/sys/net.
import { existsSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { WeirError } from '../lib/errors.ts'

const ROOT = '/proc/sys/net'

/** undefined: this kernel does not have it. */
export function readSysctl(path: string): string | undefined {
  const file = join(ROOT, path)
  return existsSync(file) ? readFileSync(file, 'utf8').trim() : undefined
}

/** @throws WeirError KERNEL_UNSUPPORTED where settings are read-only, as in containers */
export function writeSysctl(path: string, value: string): void {
  const file = join(ROOT, path)
  try {
    writeFileSync(file, value)
  } catch (error) {
    throw new WeirError(
      'KERNEL_UNSUPPORTED',
      `write ${value.trim()} to ${file}: ${(error as Error).message}`,
      {
        cause: error,
        mend: 'in a container: --security-opt systempaths=unconfined, and apparmor=unconfined where AppArmor is on',
      },
    )
  }
}
