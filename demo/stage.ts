// The stage of the demo: a node and three pods as network namespaces, nginx in one of them. Knows how to take away
// all of it, also what a demo that was killed has left.
import { existsSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { runSync } from '../test/helpers/command.ts'
import { isRunning, Namespace } from '../test/helpers/namespace.ts'
import { NodeNamespace, type Pod } from '../test/helpers/node-namespace.ts'
import { startNginx } from '../test/helpers/nginx.ts'

const PODS = [
  { name: 'tiefighter', v4: '10.244.1.11', v6: 'fd00:244:1::11' },
  { name: 'xwing', v4: '10.244.1.12', v6: 'fd00:244:1::12' },
  { name: 'deathstar', v4: '10.244.1.13', v6: 'fd00:244:1::13' },
] as const
export type ShipName = (typeof PODS)[number]['name']

/** File systems that `ip` and Weir mount if nobody has before. */
const MOUNTS = ['/run/netns', '/sys/fs/bpf'] as const

interface StageRecord {
  readonly pid: number
  readonly namespaces: readonly string[]
  /** Of MOUNTS, those that were not there before. */
  readonly mounts: readonly string[]
}

export class DemoError extends Error {}

export interface StageNames {
  /** Of the node: its namespace, state directory, pins and work directory. */
  readonly node: string
  /** Before the names of the pods' namespaces. */
  readonly podPrefix: string
}

/** Written before anything is made, so that the next demo knows what is ours after a `kill -9`. */
const recordFile = ({ node }: StageNames): string => `/run/${node}.json`

export interface Stage {
  readonly node: NodeNamespace
  readonly pods: Readonly<Record<ShipName, Pod>>
  /** Nothing of the demo remains on the machine. */
  strike(): Promise<void>
}

/** @throws DemoError when the demo runs already or a name that it needs is taken */
export async function buildStage(names: StageNames): Promise<Stage> {
  const namespaceOf = (pod: string): string => `${names.podPrefix}${pod}`
  const namespaces = [names.node, ...PODS.map((pod) => namespaceOf(pod.name))]
  for (const name of namespaces) {
    if (!existsSync(new Namespace(name).path)) continue
    throw new DemoError(
      `the network namespace "${name}" exists and is not of this demo: remove it (ip netns del ${name})`,
    )
  }
  const record: StageRecord = {
    pid: process.pid,
    namespaces,
    mounts: MOUNTS.filter((path) => !isMounted(path)),
  }
  writeFileSync(recordFile(names), JSON.stringify(record))
  try {
    const node = NodeNamespace.named(names.node)
    const [tiefighter, xwing, deathstar] = PODS.map((pod) =>
      node.addPod({ ...pod, namespaceName: namespaceOf(pod.name) }),
    )
    if (!tiefighter || !xwing || !deathstar) throw new Error('a pod is missing')
    const nginx = await startNginx(deathstar, {
      directory: join(node.workDir, 'nginx'),
      greeting: 'Ship landed',
    })
    const strike = async (): Promise<void> => {
      await nginx.stop()
      strikeRecorded(names)
    }
    return { node, pods: { tiefighter, xwing, deathstar }, strike }
  } catch (error) {
    strikeRecorded(names)
    throw error
  }
}

/** @returns true when an earlier demo had left something. @throws DemoError when it still runs */
export function strikeLeftovers(names: StageNames): boolean {
  const record = readRecord(names)
  if (record === undefined) return false
  if (record.pid !== process.pid && isDemo(record.pid)) {
    throw new DemoError(`the demo runs already, as pid ${record.pid}: end it there with Ctrl-C`)
  }
  strikeRecorded(names)
  return true
}

function strikeRecorded(names: StageNames): void {
  const record = readRecord(names)
  if (record === undefined) return
  // Processes die with their namespace; pins, state and files hang on the node's name.
  for (const name of [...record.namespaces].reverse()) new Namespace(name).destroy()
  for (const path of [`/sys/fs/bpf/${names.node}`, `/run/${names.node}`, `/run/${names.node}-work`]) {
    rmSync(path, { recursive: true, force: true })
  }
  for (const path of record.mounts) unmountIfUnused(path)
  rmSync(recordFile(names))
}

function readRecord(names: StageNames): StageRecord | undefined {
  const path = recordFile(names)
  return existsSync(path) ? (JSON.parse(readFileSync(path, 'utf8')) as StageRecord) : undefined
}

/** A pid may have been given to somebody else since. */
function isDemo(pid: number): boolean {
  return isRunning(pid) && readFileSync(`/proc/${pid}/cmdline`, 'utf8').includes('demo')
}

function isMounted(path: string): boolean {
  const mounts = readFileSync('/proc/self/mountinfo', 'utf8').split('\n')
  return mounts.some((line) => line.split(' ')[4] === path)
}

/** bpffs shows `*.debug` files of its own when it is empty. */
function unmountIfUnused(path: string): void {
  if (!isMounted(path) || readdirSync(path).some((name) => !name.endsWith('.debug'))) return
  runSync(['umount', path])
}
