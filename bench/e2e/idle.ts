// Many connections that made one request each and then do nothing: what does each cost the proxy in memory?
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

export async function holdIdle(
  variant: Variant,
  load: Load,
  isBrief: boolean,
): Promise<{ readonly rssBytes: number; readonly pairBytes: number }> {
  const { host, port } = variant.targetOf(load)
  const client = join(packageRoot(), 'dist', 'bench', 'e2e', 'idle-client.js')
  const command = [process.execPath, client, host, String(port), load.path]
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
    const count = Math.min(load.connections, maxPairs())
    const warm = Math.round(count * WARM_SHARE)
    const before = await open(warm)
    const rssBytes = await open(count - warm)
    return { rssBytes, pairBytes: (rssBytes - before) / (count - warm) }
  } finally {
    await endProcess(child)
  }
}
