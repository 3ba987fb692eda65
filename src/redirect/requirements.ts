// What the machine must offer before anything is attached, each lack with its mend.
import { mkdirSync, statfsSync } from 'node:fs'
import { dirname } from 'node:path'
import { WeirError } from '../lib/errors.ts'
import { run } from './iproute.ts'
import { libbpf } from './libbpf.ts'

const BPF_FS_MAGIC = 0xcafe4a11

/**
 * libbpf loads, the process may use it, bpffs is mounted (mounted here when it is not), `bpffsDir` exists.
 * @throws WeirError NOT_PRIVILEGED, KERNEL_UNSUPPORTED
 */
export function checkRequirements(bpffsDir: string): void {
  libbpf()
  if (process.getuid?.() !== 0) {
    throw new WeirError('NOT_PRIVILEGED', `the agent runs as uid ${process.getuid?.() ?? '?'}, not as root`, {
      mend: 'start it with sudo',
    })
  }
  mountBpffs(dirname(bpffsDir))
  mkdirSync(bpffsDir, { recursive: true, mode: 0o700 })
}

function mountBpffs(root: string): void {
  if (isBpffs(root)) return
  try {
    run('mount', '-t', 'bpf', 'bpf', root)
  } catch (error) {
    throw new WeirError('KERNEL_UNSUPPORTED', `mount bpffs at ${root}: ${(error as Error).message}`, {
      cause: error,
      mend: "the kernel needs CONFIG_BPF_SYSCALL; in a container, mount the host's /sys/fs/bpf",
    })
  }
}

function isBpffs(path: string): boolean {
  try {
    return statfsSync(path).type === BPF_FS_MAGIC
  } catch {
    return false
  }
}
