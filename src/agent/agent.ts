// The agent: puts sources, reconciler, kernel and servers together, and runs until SIGTERM.
import { join } from 'node:path'
import type { Logger } from '../lib/log.ts'
import type { InstancePaths } from '../lib/paths.ts'
import type { RedirectMode } from '../lib/redirect-mode.ts'
import { formatXdsTarget, type TcpTarget } from '../lib/rpc/target.ts'
import { readTlsFiles, type TlsFiles } from '../lib/rpc/tls.ts'
import { terminationSignal } from '../lib/signals.ts'
import { parsePolicies } from '../policy/parse.ts'
import { LOCAL_RANGE } from '../policy/identity.ts'
import { LocalIdentityAllocator } from '../policy/identity-allocator.ts'
import type { HttpRule } from '../policy/network-policy.ts'
import { openDatapath } from '../redirect/datapath.ts'
import { redirectOf } from '../redirect/redirect.ts'
import { checkPrivileges } from '../redirect/requirements.ts'
import { agentHandlers } from './agent-server.ts'
import { ControlServer } from './control-server.ts'
import { EndpointRegistry } from './endpoint-registry.ts'
import { EndpointSources } from './endpoint-sources.ts'
import { FlowLog } from './flow-log.ts'
import { hostAddresses } from './host-addresses.ts'
import { FileIdentityStore } from './identity-store.ts'
import { lockInstance } from './instance-lock.ts'
import { lockNetwork } from './network-lock.ts'
import { PolicyFolder } from './policy-folder.ts'
import { unreadText } from './policy-subfolders.ts'
import { PolicyStore } from './policy-store.ts'
import { Reconciler } from './reconciler.ts'
import { startRpcServer } from './rpc-server.ts'
import { SourceFollower } from './source-follower.ts'
import { StateView, type StateViewOptions } from './state-view.ts'
import { Supervisor } from './supervisor.ts'
import { startUpkeep } from './upkeep.ts'
import { startTlsServer } from './xds/tls-server.ts'
import { XdsServer } from './xds/xds-server.ts'

export interface AgentOptions {
  readonly paths: InstancePaths
  /** At least one of both: a file, the socket of a Docker engine. */
  readonly endpointsFile: string | undefined
  readonly dockerSocket: string | undefined
  readonly policiesDir: string
  readonly version: string
  readonly log: Logger
  /** Why a regular expression of a rule is refused; undefined = fine. */
  readonly validateRegex: (pattern: string) => string | undefined
  /** Why an HTTP rule is refused for another reason; undefined = fine. */
  readonly validateHttpRule: (rule: HttpRule) => string | undefined
  /** Answers `weir policy trace`. */
  readonly trace: StateViewOptions['trace']
  readonly protocolConflicts: StateViewOptions['protocolConflicts']
  readonly policyMapEntries?: number
  readonly redirect: RedirectMode
  /** Serve xDS to proxies on other machines, too; undefined = on the unix socket only. */
  readonly listen?: { readonly target: TcpTarget; readonly tls: TlsFiles }
  /** Start and supervise workers; undefined = somebody else does. */
  readonly workers?: {
    readonly count: number
    readonly command: (slot: number) => readonly [string, ...string[]]
  }
}

/** Resolves after SIGTERM or SIGINT. @throws WeirError when it cannot start; then nothing new is attached */
export async function runAgent(options: AgentOptions): Promise<void> {
  const { log, paths } = options
  checkPrivileges()
  const unlock = lockInstance(paths.stateDir)
  let unlockNetwork = (): void => {}
  /** Of what was opened, in that order. Also after a failure: an open watch would keep the process alive. */
  const closers: (() => unknown)[] = []
  try {
    unlockNetwork = await lockNetwork(paths.stateDir)
    await run(options, closers)
  } finally {
    for (const close of closers.reverse()) await close()
    unlockNetwork()
    unlock()
  }
  log.info(
    'agent stopped. Enforcement stays in the kernel; ports under L7 policy are closed until a proxy is back. ' +
      '`weir cleanup` removes it',
  )
}

async function run(options: AgentOptions, closers: (() => unknown)[]): Promise<void> {
  const { log, paths } = options
  // From the beginning: a signal in the middle of a start would leave workers behind that nobody watches.
  let isStopping = false
  const stopped = terminationSignal().then(() => void (isStopping = true))
  let reopenAccessLogs = (): void => {}
  process.on('SIGHUP', () => reopenAccessLogs())
  const parse = (text: string, file: string): ReturnType<typeof parsePolicies> =>
    parsePolicies(text, file, options)
  const policyStore = new PolicyStore(join(paths.stateDir, 'policies.json'))

  // Everything that can be wrong with the input comes first: then nothing is attached.
  const tls = options.listen === undefined ? undefined : readTlsFiles(options.listen.tls)
  const folder = await PolicyFolder.open(options.policiesDir, { parse, inForce: policyStore.load(parse) })
  closers.push(() => folder.close())
  const warnOfUnread = unreadWarner(folder, log)
  warnOfUnread()
  folder.onChange(warnOfUnread)
  let follow = (): void => {}
  const { endpointsFile, dockerSocket } = options
  const endpoints = await EndpointSources.open({ endpointsFile, dockerSocket, log, onChange: () => follow() })
  closers.push(() => endpoints.close())
  const redirect = redirectOf(options.redirect)
  const datapath = openDatapath({
    paths,
    redirect,
    closesUnknownPorts: dockerSocket !== undefined,
    ...(options.policyMapEntries === undefined ? {} : { policyMapEntries: options.policyMapEntries }),
  })
  closers.push(() => datapath.close())
  const flows = new FlowLog()
  const control = new ControlServer({
    log,
    onFlows: (_slot, batch) => flows.receive(batch),
  })
  const xds = new XdsServer({ log, hostAddresses })
  const reconciler = new Reconciler({
    datapath,
    allocator: new LocalIdentityAllocator(new FileIdentityStore(join(paths.stateDir, 'identities.json'))),
    prefixAllocator: new LocalIdentityAllocator(
      new FileIdentityStore(join(paths.stateDir, 'prefix-identities.json'), LOCAL_RANGE),
      LOCAL_RANGE,
    ),
    registry: new EndpointRegistry(join(paths.stateDir, 'endpoints.json')),
    publish: (snapshot) => Promise.all([control.publish(snapshot), xds.publish(snapshot)]),
    hostAddresses,
    log,
  })
  const sources = new SourceFollower({
    reconciler,
    endpoints: () => endpoints.endpoints(),
    policies: () => folder.policies,
    onApplied: (policies) => {
      // Once what is known is attached: what comes from here on has to wait until it is, too.
      if (endpoints.elsewhere !== undefined) datapath.closeUnknownPorts(endpoints.elsewhere)
      policyStore.save(policies)
    },
    log,
  })
  follow = () => void sources.follow()
  closers.push(() => sources.close())
  folder.onChange(follow)
  await sources.follow()
  // Containers that came while the first ones were attached.
  await endpoints.refresh()

  const view = new StateView({
    version: options.version,
    redirect,
    reconciler,
    datapath,
    control,
    xds,
    flows,
    endpointSources: endpoints,
    policySources: () => folder.sources,
    workersWanted: options.workers?.count,
    trace: options.trace,
    protocolConflicts: options.protocolConflicts,
    failures: () => [
      ...[sources.failure, folder.error].filter((failure) => failure !== undefined),
      ...folder.unreadSubfolders.map(unreadText),
    ],
  })
  const server = await startRpcServer(paths.agentSocket, {
    control: control.handlers,
    agent: agentHandlers(view, flows, control),
    xds: xds.handlers,
  })
  closers.push(() => server.close())
  const { listen } = options
  const tlsServer =
    listen === undefined || tls === undefined
      ? undefined
      : await startTlsServer(listen.target, tls, xds.handlers)
  closers.push(() => tlsServer?.close())
  if (listen !== undefined) log.info({ listen: formatXdsTarget(listen.target) }, 'xDS over mutual TLS')
  const supervisor =
    options.workers === undefined
      ? undefined
      : new Supervisor({
          stateDir: paths.stateDir,
          workers: options.workers.count,
          command: options.workers.command,
          log,
        })
  closers.push(() => supervisor?.stop())
  supervisor?.start()
  reopenAccessLogs = (): void => {
    log.info('SIGHUP: workers of this agent open their access log anew')
    const connected = new Set(control.workers().map(({ pid }) => pid))
    supervisor?.signal('SIGHUP', (pid) => connected.has(pid))
  }
  closers.push(startUpkeep({ datapath, reconciler, flows, log, onLinks: () => endpoints.linksChanged() }))
  for (const { name, file, state, error } of folder.sources) {
    if (state !== 'ok') log.error({ policy: name, file, state, error }, 'policy not usable')
  }
  void reportReady(control, reconciler, options, () => isStopping)

  await stopped
}

/** Once for each; `weir status` goes on saying it. */
function unreadWarner(folder: PolicyFolder, log: Logger): () => void {
  const told = new Set<string>()
  return () => {
    for (const text of folder.unreadSubfolders.map(unreadText)) {
      if (!told.has(text)) log.warn({ code: 'POLICY_NOT_READ', error: text }, 'policies not read')
      told.add(text)
    }
  }
}

/** "ready" is for people and for tests: enforcement is live, and so are the workers that were asked for. */
async function reportReady(
  control: ControlServer,
  reconciler: Reconciler,
  options: AgentOptions,
  isStopping: () => boolean,
): Promise<void> {
  const wanted = options.workers?.count ?? 0
  while (control.workers().filter(({ revision }) => revision > 0).length < wanted) {
    if (isStopping()) return
    await new Promise((resolve) => setTimeout(resolve, 10))
  }
  options.log.info(
    { revision: reconciler.revision, workers: wanted, socket: options.paths.agentSocket },
    'ready',
  )
}
