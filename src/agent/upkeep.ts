// What the agent does by itself while it runs: attach to devices as they come, follow the addresses of the
// node, pass on what the kernel reports.
import { asEndpointId } from '../lib/brands.ts'
import { errorMessage } from '../lib/errors.ts'
import type { FlowEndpoint } from '../lib/flow.ts'
import type { Logger } from '../lib/log.ts'
import type { Datapath } from '../redirect/datapath-api.ts'
import { LinkWatch } from '../redirect/link-watch.ts'
import type { FlowLog } from './flow-log.ts'
import { kernelFlow, type FlowContext } from './kernel-flows.ts'
import type { Reconciler } from './reconciler.ts'

const EVENTS_INTERVAL_MS = 50
/** For what no event tells: programs that somebody took away, events that were lost. */
const THOROUGH_INTERVAL_MS = 5000

export interface UpkeepOptions {
  readonly datapath: Datapath
  readonly reconciler: Reconciler
  readonly flows: FlowLog
  /** Network devices or addresses have changed. */
  readonly onLinks: () => void
  readonly log: Logger
}

/** @returns how to end it */
export function startUpkeep(options: UpkeepOptions): () => void {
  const { datapath, reconciler, log } = options
  const links = new LinkWatch(
    guarded(options, 'following devices and addresses failed', () => {
      reconciler.checkDevices(false)
      reconciler.checkHostAddresses()
      options.onLinks()
    }),
  )
  const timers = [
    setInterval(
      guarded(options, 'reading events failed', () => reportDrops(options)),
      EVENTS_INTERVAL_MS,
    ),
    setInterval(
      guarded(options, 'checking programs failed', () => {
        const missing = datapath.maintain()
        if (missing.length > 0) log.warn({ missing }, 'put back what somebody took away')
        reconciler.checkDevices(true)
        reconciler.checkHostAddresses()
      }),
      THOROUGH_INTERVAL_MS,
    ),
  ]
  return () => {
    links.close()
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
