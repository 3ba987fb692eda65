// Where and with what the numbers came about.
import { execFileSync, spawnSync } from 'node:child_process'
import { cpus, release } from 'node:os'
import { packageRoot } from '../../src/lib/paths.ts'

export interface Host {
  readonly kernel: string
  readonly cpu: string
  readonly cores: number
  readonly node: string
  readonly commit: string
  readonly date: string
}

export interface Machine extends Host {
  readonly versions: Readonly<Record<string, string>>
}

export function thisHost(): Host {
  return {
    kernel: release(),
    cpu: cpus()[0]?.model ?? 'unknown',
    cores: cpus().length,
    node: process.version,
    commit: commit(),
    date: new Date().toISOString(),
  }
}

export function describeMachine(envoy: string | undefined): Machine {
  return {
    ...thisHost(),
    versions: {
      haproxy: versionOf('haproxy', '-v'),
      nginx: versionOf('nginx', '-v'),
      wrk: versionOf('wrk', '-v'),
      h2load: versionOf('h2load', '--version'),
      ...(envoy === undefined ? {} : { envoy: versionOf(envoy, '--version') }),
    },
  }
}

/** As a sentence. */
export function describeHost({ cpu, cores, kernel, node, commit, date }: Host): string {
  return `${cpu}, ${cores} cores shared with others, Linux ${kernel}, Node ${node}, commit ${commit}, ${date.slice(0, 10)}.`
}

/** Some print it on standard error, some fail after that. */
function versionOf(program: string, flag: string): string {
  const { stdout, stderr } = spawnSync(program, [flag], { encoding: 'utf8' })
  // Some print their own path, which may hold numbers, too.
  const text = `${stdout}${stderr}`.replaceAll(program, '')
  return /\d+\.\d+(\.\d+)?/.exec(text)?.[0] ?? 'unknown'
}

function commit(): string {
  const git = (...args: string[]): string =>
    execFileSync('git', args, { cwd: packageRoot(), encoding: 'utf8' }).trim()
  try {
    const isDirty = git('status', '--porcelain', '--', 'src', 'bpf') !== ''
    return git('rev-parse', '--short', 'HEAD') + (isDirty ? '+' : '')
  } catch {
    return 'unknown'
  }
}
