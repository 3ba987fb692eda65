// Where things are on disk. Everything of one instance hangs on its state directory.
import { existsSync } from 'node:fs'
import { basename, dirname, join, resolve } from 'node:path'
import { fileURLToPath } from 'node:url'

export const DEFAULT_STATE_DIR = '/run/weir'
const BPFFS_ROOT = '/sys/fs/bpf'

export interface InstancePaths {
  readonly stateDir: string
  /** gRPC socket of the agent: control plane for proxies, observe and CLI. Mode 0600. */
  readonly agentSocket: string
  /** Pinned maps and links: /run/weir -> /sys/fs/bpf/weir, so that two instances do not share a map. */
  readonly bpffsDir: string
}

export function instancePaths(stateDir: string): InstancePaths {
  const dir = resolve(stateDir)
  return { stateDir: dir, agentSocket: join(dir, 'agent.sock'), bpffsDir: join(BPFFS_ROOT, basename(dir)) }
}

/** Root of the installed package: the folder that holds package.json, proto/ and dist/bpf/. */
export function packageRoot(): string {
  let dir = dirname(fileURLToPath(import.meta.url))
  while (!existsSync(join(dir, 'package.json'))) {
    const parent = dirname(dir)
    if (parent === dir) throw new Error('package.json not found above the running code')
    dir = parent
  }
  return dir
}
