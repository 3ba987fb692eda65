// What the agent does by itself while it runs: attach to devices as they come, put back what others take away, follow
// the addresses of the node, pass on what the kernel reports.
import { asEndpointId } from '../lib/brands.ts'
import { errorMessage } from '../lib/errors.ts'
import type { FlowEndpoint } from '../lib/flow.ts'
import type { Logger } from '../lib/log.ts'
import type { Datapath } from '../redirect/datapath-api.ts'
import { KernelWatch } from '../redirect/kernel-watch.ts'
import type { FlowLog } from './flow-log.ts'
import { kernelFlow, type FlowContext } from './kernel-flows.ts'
import { Mender } from './mending.ts'
import type { Reconciler } from './reconciler.ts'

const EVENTS_INTERVAL_MS = 50
/** For what no notification tells: settings of the machine, and programs that somebody replaced. */
const THOROUGH_INTERVAL_MS = 5000

export interface UpkeepOptions {
  readonly datapath: Datapath
  readonly reconciler: Reconciler
  readonly flows: FlowLog
  /** Network devices have changed. */
  readonly onLinks: () => void
  readonly log: Logger
}

/** @returns how to end it */
export function startUpkeep(options: UpkeepOptions): () => void {
  const { datapath, reconciler, log } = options
  const mender = new Mender({
    datapath,
    reconciler,
    log,
    guard: (work) => guarded(options, 'putting back what somebody took away failed', work)(),
  })
  const watch = new KernelWatch((changes) => {
    guarded(options, 'following devices and addresses failed', () => {
      const { links, hasAddresses, isIncomplete } = changes
      if (isIncomplete) reconciler.checkDevices()
      else if (links.indexes.size > 0) reconciler.checkDevices(links)
      if (hasAddresses || isIncomplete) reconciler.checkHostAddresses()
      if (links.indexes.size > 0 || isIncomplete) options.onLinks()
    })()
    guarded(options, 'putting back what somebody took away failed', () => mender.follow(changes))()
  })
  const timers = [
    setInterval(
      guarded(options, 'reading events failed', () => reportDrops(options)),
      EVENTS_INTERVAL_MS,
    ),
    setInterval(
      guarded(options, 'checking programs failed', () => {
        watch.deliver()
        mender.look()
        reconciler.checkDevices()
        reconciler.checkHostAddresses()
      }),
      THOROUGH_INTERVAL_MS,
    ),
  ]
  return () => {
    watch.close()
    mender.close()
    for (const timer of timers) clearInterval(timer)
  }
}

function guarded({ log }: UpkeepOptions, what: string, work: () => void): () => void {
  return () => {
    try {
      work()
    } catch (error) {
      log.error({ error: errorMessage(error) }, what)
    }
  }
}

function reportDrops({ datapath, reconciler, flows }: UpkeepOptions): void {
  const context: FlowContext = {
    describe: (address, identity) => describeAddress(reconciler, address, identity),
    policiesOf: (endpoint) => reconciler.repository.policiesSelecting(asEndpointId(endpoint)),
    revision: reconciler.revision,
    time: new Date().toISOString(),
  }
  datapath.readEvents((event) => flows.append(JSON.stringify(kernelFlow(event, context))))
}

function describeAddress(reconciler: Reconciler, address: string, identity: number): FlowEndpoint {
  const endpoint = reconciler.endpoints().find(({ spec }) => spec.addresses.includes(address))
  const info = reconciler.repository.identities().find((candidate) => candidate.identity === identity)
  return {
    ID: endpoint?.id ?? 0,
    identity,
    namespace: endpoint?.spec.namespace ?? '',
    labels: info?.labels ?? [],
    pod_name: endpoint?.spec.name ?? '',
  }
}
