// Running iproute2. Configuration of devices, rules and routes is rare: a child process each is fine.
import { execFileSync } from 'node:child_process'
import { WeirError } from '../lib/errors.ts'

/** @returns standard output. @throws WeirError KERNEL_UNSUPPORTED (no iproute2), KERNEL_CALL_FAILED */
export function run(command: 'ip' | 'tc' | 'mount', ...args: string[]): string {
  try {
    return execFileSync(command, args, { encoding: 'utf8', stdio: ['ignore', 'pipe', 'pipe'] })
  } catch (error) {
    const { code, stderr } = error as { code?: string; stderr?: string }
    if (code === 'ENOENT') {
      throw new WeirError('KERNEL_UNSUPPORTED', `run ${command}: the command is missing`, {
        mend: 'install iproute2 and mount: apt-get install iproute2 mount',
      })
    }
    throw new WeirError('KERNEL_CALL_FAILED', `${command} ${args.join(' ')}: ${(stderr ?? '').trim()}`, {
      cause: error,
    })
  }
}

export function runJson(command: 'ip' | 'tc', ...args: string[]): unknown {
  const output = run(command, '-j', ...args).trim()
  return output === '' ? [] : JSON.parse(output)
}

/** For undoing: true when it worked, false when there was nothing to undo. */
export function tryRun(command: 'ip' | 'tc', ...args: string[]): boolean {
  try {
    run(command, ...args)
    return true
  } catch (error) {
    if (error instanceof WeirError && error.code === 'KERNEL_CALL_FAILED') return false
    throw error
  }
}
