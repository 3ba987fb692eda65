// What a Node process really keeps: the size of what is alive in its heap, without garbage.
import { readdirSync, readFileSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { waitFor } from './wait.ts'

interface HeapSnapshot {
  readonly snapshot: { readonly meta: { readonly node_fields: readonly string[] } }
  readonly nodes: readonly number[]
}

/** Environment of a process that can be asked. Its snapshots go to `directory`. */
export function heapEnvironment(directory: string): Readonly<Record<string, string>> {
  return { NODE_OPTIONS: `--heapsnapshot-signal=SIGUSR2 --diagnostic-dir=${directory}` }
}

/** Stops the process for about a second. */
export async function liveHeapBytes(pid: number, directory: string): Promise<number> {
  const isOfProcess = (name: string): boolean => name.includes(`.${pid}.`) && name.endsWith('.heapsnapshot')
  process.kill(pid, 'SIGUSR2')
  const { file, snapshot } = await waitFor(
    () => {
      const name = readdirSync(directory).find(isOfProcess)
      if (name === undefined) return undefined
      const file = join(directory, name)
      // Throws, and so counts as not yet, as long as it is being written.
      return { file, snapshot: JSON.parse(readFileSync(file, 'utf8')) as HeapSnapshot }
    },
    { what: `a heap snapshot of ${pid}`, timeoutMs: 20_000 },
  )
  rmSync(file)
  const fields = snapshot.snapshot.meta.node_fields
  const sizeAt = fields.indexOf('self_size')
  let bytes = 0
  for (let i = sizeAt; i < snapshot.nodes.length; i += fields.length) bytes += snapshot.nodes[i]!
  return bytes
}
