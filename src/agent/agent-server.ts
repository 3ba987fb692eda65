// AgentService: what the command line asks. Holds no state of its own.
import type { ServerWritableStream, sendUnaryData } from '@grpc/grpc-js'
import type { AgentServiceHandlers } from '../gen/weir/v1/AgentService.ts'
import type { ConnectionRow__Output } from '../gen/weir/v1/ConnectionRow.ts'
import type { Endpoint__Output } from '../gen/weir/v1/Endpoint.ts'
import type { IdentityEntry__Output } from '../gen/weir/v1/IdentityEntry.ts'
import type { IpcacheRow__Output } from '../gen/weir/v1/IpcacheRow.ts'
import type { ObserveRequest__Output } from '../gen/weir/v1/ObserveRequest.ts'
import type { ObserveResponse } from '../gen/weir/v1/ObserveResponse.ts'
import type { PolicyMapRow__Output } from '../gen/weir/v1/PolicyMapRow.ts'
import type { PolicyObject__Output } from '../gen/weir/v1/PolicyObject.ts'
import type { SelectorRow__Output } from '../gen/weir/v1/SelectorRow.ts'
import type { Status__Output } from '../gen/weir/v1/Status.ts'
import type { TraceRequest__Output } from '../gen/weir/v1/TraceRequest.ts'
import type { TraceResponse__Output } from '../gen/weir/v1/TraceResponse.ts'
import { toStatus } from '../lib/rpc/status.ts'
import type { FlowSource } from './flow-collector.ts'
import type { FlowFilter, FlowFollower, FlowLog } from './flow-log.ts'

/** Lines of the past that `Observe` sends when the request names no number. */
const DEFAULT_LAST = 20

/**
 * What the agent knows, as the messages of proto/weir/v1/agent.proto with every field set. Called in the
 * middle of whatever the agent does, so answers must come from memory or from one map walk. May throw
 * WeirError: its code and message reach the user.
 */
export interface AgentState {
  status(): Status__Output
  endpoints(): Endpoint__Output[]
  /** `identity` = number or reserved name, '' = all. @throws WeirError NOT_FOUND */
  identities(identity: string): IdentityEntry__Output[]
  policyRevision(): number
  /** `name` = namespace/name, '' = all. @throws WeirError NOT_FOUND */
  policies(name: string): PolicyObject__Output[]
  /** `endpoint` = name, namespace/name or id, '' = all. @throws WeirError NOT_FOUND */
  policyMap(endpoint: string): PolicyMapRow__Output[]
  /** `address` = the row that decides for it only, '' = all. @throws WeirError NOT_FOUND or CONFIG_INVALID */
  ipcache(address: string): IpcacheRow__Output[]
  connections(): ConnectionRow__Output[]
  selectors(): SelectorRow__Output[]
  /** @throws WeirError NOT_FOUND or CONFIG_INVALID */
  trace(request: TraceRequest__Output): TraceResponse__Output
}

export function agentHandlers(state: AgentState, flows: FlowLog, source: FlowSource): AgentServiceHandlers {
  return {
    GetStatus: (_call, callback) => answer(callback, () => state.status()),
    ListEndpoints: (_call, callback) => answer(callback, () => ({ endpoints: state.endpoints() })),
    ListIdentities: ({ request }, callback) =>
      answer(callback, () => ({ identities: state.identities(request.identity) })),
    GetPolicy: ({ request }, callback) =>
      answer(callback, () => {
        return { revision: state.policyRevision(), policies: state.policies(request.name) }
      }),
    ListPolicyMap: ({ request }, callback) =>
      answer(callback, () => ({ rows: state.policyMap(request.endpoint) })),
    ListIpcache: ({ request }, callback) =>
      answer(callback, () => ({ rows: state.ipcache(request.address) })),
    ListConnections: (_call, callback) => answer(callback, () => ({ rows: state.connections() })),
    ListSelectors: (_call, callback) => answer(callback, () => ({ rows: state.selectors() })),
    Trace: ({ request }, callback) => answer(callback, () => state.trace(request)),
    Observe: (call) => void observe(call, flows, source),
  }
}

function answer<T>(callback: sendUnaryData<T>, produce: () => T): void {
  let value: T
  try {
    value = produce()
  } catch (thrown) {
    callback(toStatus(thrown))
    return
  }
  callback(null, value)
}

async function observe(
  call: ServerWritableStream<ObserveRequest__Output, ObserveResponse>,
  flows: FlowLog,
  source: FlowSource,
): Promise<void> {
  const { follow, last, kernel } = call.request
  const isWanted = flowFilter(call.request)
  // Workers have nothing to say about the kernel's verdicts: the agent reads those itself.
  const stopFollowing = follow && !kernel ? source.followFlows() : undefined
  let follower: FlowFollower | undefined
  let isBlocked = false
  const close = (): void => {
    follower?.close()
    stopFollowing?.()
  }
  for (const event of ['cancelled', 'close', 'error']) call.on(event, close)
  call.on('drain', () => {
    isBlocked = false
    pump()
  })

  if (!kernel) await source.collectFlows()
  if (call.cancelled) return
  // The past and the follower in one turn: no record is missed, none comes twice.
  for (const flow of flows.last(last === 0 ? DEFAULT_LAST : last, isWanted)) call.write({ flow, lost: 0 })
  if (follow) follower = flows.follow(pump, isWanted)
  else call.end()

  function pump(): void {
    if (!isBlocked && follower !== undefined) isBlocked = !drainInto(call, follower)
  }
}

/** By the text: a quote inside of a value is escaped, so these words are fields. */
function flowFilter({ kernel, dropped }: ObserveRequest__Output): FlowFilter {
  return (line) =>
    (!kernel || line.includes('"where":"kernel"')) && (!dropped || line.includes('"verdict":"DROPPED"'))
}

/** @returns false when the stream is full: its `drain` event says when to go on. */
function drainInto(
  call: ServerWritableStream<ObserveRequest__Output, ObserveResponse>,
  follower: FlowFollower,
): boolean {
  for (let line = follower.next(); line !== undefined; line = follower.next()) {
    if (!call.write(line)) return false
  }
  return true
}
