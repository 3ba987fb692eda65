// Many connections that made one request each and then do nothing: what does each cost the proxy in memory?
import { createInterface } from 'node:readline'
import { setTimeout as sleep } from 'node:timers/promises'
import { join } from 'node:path'
import { packageRoot } from '../../src/lib/paths.ts'
import { type Load } from './cases.ts'
import { endProcess } from './child.ts'
import { maxPairs } from './descriptors.ts'
import { applyLoad } from './load.ts'
import { onOthersCore } from './pinning.ts'
import { rssBytesOf, sum } from './process-stats.ts'
import { SMALL_PATH } from './rules.ts'
import { type Variant } from './variants/variant.ts'

/** Comes first: pools and heaps that grow with the first traffic are not what an idle connection costs. */
const WARM_LOAD: Load = { connections: 16, path: SMALL_PATH, headers: ['Connection: close'] }
/** Open before the first look, for the same reason. */
const WARM_CONNECTIONS = 1000
/** V8 collects a heap that has been idle for eight seconds; before, garbage counts as memory of connections. */
const SETTLE_MS = 10_000
/** When the numbers need not be exact. */
const BRIEF_SETTLE_MS = 1000

export async function holdIdle(
  variant: Variant,
  load: Load,
  isBrief: boolean,
): Promise<{ readonly rssBytes: number; readonly pairBytes: number }> {
  await applyLoad(variant, WARM_LOAD, isBrief ? 1 : 2)
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
    await sleep(isBrief ? BRIEF_SETTLE_MS : SETTLE_MS)
    return sum(variant.pids.map(rssBytesOf))
  }
  try {
    const before = await open(WARM_CONNECTIONS)
    const count = Math.min(load.connections, maxPairs()) - WARM_CONNECTIONS
    const rssBytes = await open(count)
    return { rssBytes, pairBytes: (rssBytes - before) / count }
  } finally {
    await endProcess(child)
  }
}
