// A node with pods, an endpoints file that names them, and a weir that is ready: the stage of the datapath tests.
import { type EndpointFileEntry, endpointOf, type WeirOptions, WeirProcess } from './weir-process.ts'
import { NodeNamespace, type NodeOptions, type Pod } from './node-namespace.ts'
import { waitFor } from './wait.ts'

export interface ClusterOptions<Name extends string>
  extends NodeOptions, Omit<WeirOptions, 'endpoints' | 'args'> {
  /** Endpoints, with the label `app: NAME`. */
  readonly pods: readonly Name[]
  /** Pods that weir is not told about. */
  readonly strangers?: readonly Name[]
  /** More arguments of weir. */
  readonly args?: (node: NodeNamespace) => readonly string[]
}

export interface Cluster<Name extends string> {
  readonly node: NodeNamespace
  readonly pods: Readonly<Record<Name, Pod>>
  readonly weir: WeirProcess
  /** What the endpoints file says. */
  readonly endpoints: readonly EndpointFileEntry[]
}

interface ClusterTest {
  readonly name: string
  teardown(handler: () => void): void
  passing(): boolean
  comment(message: string): void
}

/** Gone when the test `t` ends; weir's log is shown if it fails. */
export async function startCluster<Name extends string>(
  t: ClusterTest,
  options: ClusterOptions<Name>,
): Promise<Cluster<Name>> {
  const node = NodeNamespace.forTest(t, options)
  const pods = addPods(node, [...options.pods, ...(options.strangers ?? [])])
  const endpoints = options.pods.map((name) => endpointOf(pods[name], { app: name }))
  const weir = await WeirProcess.start(node, { ...options, endpoints, args: options.args?.(node) ?? [] })
  t.teardown(() => {
    if (!t.passing()) t.comment(weir.logText())
  })
  return { node, pods, weir, endpoints }
}

let lastAddress = 10

function addPods<Name extends string>(node: NodeNamespace, names: readonly Name[]): Record<Name, Pod> {
  const pods = names.map((name) => [name, addPod(node, name)] as const)
  return Object.fromEntries(pods) as Record<Name, Pod>
}

/** With addresses that no other pod has. */
export function addPod(node: NodeNamespace, name: string): Pod {
  lastAddress++
  return node.addPod({ name, v4: `10.244.0.${lastAddress}`, v6: `fd00:244::${lastAddress}` })
}

/** Change files of weir; resolves when it says that what they ask for is in force. */
export async function inForce(weir: WeirProcess, change: () => void): Promise<void> {
  const reports = (): number => weir.log.filter(({ msg }) => msg === 'policy in force').length
  const before = reports()
  change()
  await waitFor(() => reports() > before, { what: 'the change to be in force' }).catch((error: unknown) => {
    throw new Error(`${String(error)}\n${weir.logText()}`)
  })
}
