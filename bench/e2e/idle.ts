// Many connections, or streams, that carried something once and then do nothing: what does each cost the proxy in
// memory?
import { createInterface } from 'node:readline'
import { setTimeout as sleep } from 'node:timers/promises'
import { join } from 'node:path'
import { packageRoot } from '../../src/lib/paths.ts'
import { type Load } from './cases.ts'
import { endProcess } from './child.ts'
import { maxPairs } from './descriptors.ts'
import { onOthersCore } from './pinning.ts'
import { rssBytesOf, sum } from './process-stats.ts'
import { type Variant } from './variants/variant.ts'

/** Of them are open before the first look: by then heaps and pools have what any traffic needs. */
const WARM_SHARE = 0.4
/** When the numbers need not be exact. */
const BRIEF_REST_MS = 1000

export interface IdleMemory {
  readonly rssBytes: number
  /** What each connection pair, or each stream, adds. */
  readonly bytesOfOne: number
}

export async function holdIdle(variant: Variant, load: Load, isBrief: boolean): Promise<IdleMemory> {
  const command = [process.execPath, ...clientOf(variant, load)]
  const child = variant.client.spawn(onOthersCore(command), { stdio: ['pipe', 'pipe', 'inherit'] })
  const lines = createInterface({ input: child.stdout! })[Symbol.asyncIterator]()
  const open = async (count: number): Promise<number> => {
    child.stdin!.write(`${count}\n`)
    const answer = await lines.next()
    if (answer.done === true || Number(answer.value) !== count)
      throw new Error(`idle client through ${variant.name} said ${String(answer.value)}`)
    await sleep(isBrief ? BRIEF_REST_MS : variant.restMs)
    return sum(variant.pids.map(rssBytesOf))
  }
  try {
    const count = countOf(load)
    const warm = Math.round(count * WARM_SHARE)
    const before = await open(warm)
    const rssBytes = await open(count - warm)
    return { rssBytes, bytesOfOne: (rssBytes - before) / (count - warm) }
  } finally {
    await endProcess(child)
  }
}

/** Program and arguments. */
function clientOf(variant: Variant, { path, ...load }: Load): string[] {
  const { host, port } = variant.targetOf({ path, ...load })
  const directory = join(packageRoot(), 'dist', 'bench', 'e2e')
  const target = [host, String(port), path]
  if (load.streams === undefined) return [join(directory, 'idle-client.js'), ...target]
  const client = join(directory, 'idle-http2-client.js')
  if (load.areOpen !== true) return [client, 'connections', ...target]
  return [client, 'streams', ...target, String(load.connections)]
}

function countOf({ connections, streams = 1, areOpen }: Load): number {
  return areOpen === true ? connections * streams : Math.min(connections, maxPairs())
}
