// Run time of BPF programs, counted by the kernel while somebody asks for it.
import koffi from 'koffi'
import { libbpf } from '../../src/redirect/libbpf.ts'
import { type NodeNamespace } from '../../test/helpers/node-namespace.ts'

const SYS_BPF = process.arch === 'arm64' ? 280 : 321
const BPF_ENABLE_STATS = 32
const PROGRAM_INFO_BYTES = 232
const RUN_TIME_OFFSET = 192
const RUN_COUNT_OFFSET = 200

const libc = koffi.load(null)
const syscall = libc.func('long syscall(long number, long command, void *attributes, size_t bytes)') as (
  ...args: unknown[]
) => number
const close = libc.func('int close(int fd)') as (fd: number) => number

export interface ProgramCost {
  readonly name: string
  readonly runs: number
  readonly nanosecondsPerRun: number
}

/** Of the tc programs on the node's devices, while `work` goes on. */
export async function measurePrograms(
  node: NodeNamespace,
  work: () => Promise<void>,
): Promise<ProgramCost[]> {
  const statistics = syscall(SYS_BPF, BPF_ENABLE_STATS, Buffer.alloc(8), 8)
  if (statistics < 0) throw new Error(`BPF_ENABLE_STATS: errno ${koffi.errno()}`)
  try {
    const before = read(node)
    await work()
    const after = read(node)
    const total = new Map<string, { runs: number; nanoseconds: number }>()
    for (const [id, { name, runs, nanoseconds }] of after) {
      const sum = total.get(name) ?? { runs: 0, nanoseconds: 0 }
      sum.runs += runs - (before.get(id)?.runs ?? 0)
      sum.nanoseconds += nanoseconds - (before.get(id)?.nanoseconds ?? 0)
      total.set(name, sum)
    }
    return [...total].flatMap(([name, { runs, nanoseconds }]) =>
      runs === 0 ? [] : [{ name, runs, nanosecondsPerRun: nanoseconds / runs }],
    )
  } finally {
    close(statistics)
  }
}

/** Over all programs, weighted by how often each ran. */
export function nanosecondsPerPacket(costs: readonly ProgramCost[]): number | undefined {
  const runs = costs.reduce((sum, cost) => sum + cost.runs, 0)
  const nanoseconds = costs.reduce((sum, cost) => sum + cost.runs * cost.nanosecondsPerRun, 0)
  return runs === 0 ? undefined : nanoseconds / runs
}

function read(node: NodeNamespace): Map<number, { name: string; runs: number; nanoseconds: number }> {
  const links = JSON.parse(node.execSync(['ip', '-j', 'link', 'show'])) as { ifname: string }[]
  const found = new Map<number, { name: string; runs: number; nanoseconds: number }>()
  for (const { ifname } of links) {
    for (const hook of ['ingress', 'egress']) {
      const filters = node.execSync(['tc', 'filter', 'show', 'dev', ifname, hook])
      for (const [, name = '', id = '0'] of filters.matchAll(/(weir_\w+).* id (\d+)/g)) {
        found.set(Number(id), { name, ...statisticsOf(Number(id)) })
      }
    }
  }
  return found
}

function statisticsOf(id: number): { runs: number; nanoseconds: number } {
  const fd = libbpf().programFdById(id) as number
  if (fd < 0) return { runs: 0, nanoseconds: 0 }
  const info = Buffer.alloc(PROGRAM_INFO_BYTES)
  libbpf().infoByFd(fd, info, [info.length])
  libbpf().close(fd)
  return {
    runs: Number(info.readBigUInt64LE(RUN_COUNT_OFFSET)),
    nanoseconds: Number(info.readBigUInt64LE(RUN_TIME_OFFSET)),
  }
}
