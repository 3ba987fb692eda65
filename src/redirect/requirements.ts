// What the machine must offer before anything is attached, each lack with its mend.
import { mkdirSync, readFileSync, statfsSync } from 'node:fs'
import { dirname } from 'node:path'
import { WeirError } from '../lib/errors.ts'
import { run } from './iproute.ts'
import { libbpf } from './libbpf.ts'

const BPF_FS_MAGIC = 0xcafe4a11

/** By their bits; CAP_SYS_ADMIN stands for CAP_BPF, too. */
const CAP_NET_ADMIN = 12
const CAP_SYS_ADMIN = 21
const CAP_BPF = 39

/** @throws WeirError NOT_PRIVILEGED. Comes first: without root, nothing else fails in a way that tells why. */
export function checkPrivileges(): void {
  const uid = process.getuid?.()
  if (uid !== 0) {
    throw new WeirError('NOT_PRIVILEGED', `weir runs as uid ${uid ?? '?'}, not as root`, {
      mend: 'start it with sudo',
    })
  }
  const missing = missingCapabilities()
  if (missing.length === 0) return
  throw new WeirError('NOT_PRIVILEGED', `weir lacks ${missing.join(' and ')}`, {
    mend: 'give the container or service these capabilities',
  })
}

function missingCapabilities(): string[] {
  const status = readFileSync('/proc/self/status', 'utf8')
  const effective = BigInt(`0x${/^CapEff:\s*([0-9a-f]+)$/m.exec(status)?.[1] ?? '0'}`)
  const has = (bit: number): boolean => ((effective >> BigInt(bit)) & 1n) === 1n
  return [
    ...(has(CAP_NET_ADMIN) ? [] : ['CAP_NET_ADMIN']),
    ...(has(CAP_BPF) || has(CAP_SYS_ADMIN) ? [] : ['CAP_BPF']),
  ]
}

/**
 * libbpf loads, bpffs is mounted (mounted here when it is not), `bpffsDir` exists.
 * @throws WeirError KERNEL_UNSUPPORTED
 */
export function checkRequirements(bpffsDir: string): void {
  libbpf()
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
      mend: `mount it before, as root: mount -t bpf bpf ${root}; in a container, mount the host's`,
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
