// Which discovery services a gRPC server of the agent has: all of them, on the unix socket and on TCP alike.
import type { Server } from '@grpc/grpc-js'
import type { NetworkPolicyDiscoveryServiceHandlers } from '../../gen/cilium/NetworkPolicyDiscoveryService.ts'
import type { NetworkPolicyHostsDiscoveryServiceHandlers } from '../../gen/cilium/NetworkPolicyHostsDiscoveryService.ts'
import type { AggregatedDiscoveryServiceHandlers } from '../../gen/envoy/service/discovery/v3/AggregatedDiscoveryService.ts'
import { protos } from '../../lib/rpc/load.ts'

export interface XdsHandlers {
  readonly policies: NetworkPolicyDiscoveryServiceHandlers
  readonly hosts: NetworkPolicyHostsDiscoveryServiceHandlers
  readonly aggregated: AggregatedDiscoveryServiceHandlers
}

export function addXdsServices(server: Server, handlers: XdsHandlers): void {
  const { cilium, envoy } = protos()
  server.addService(cilium.NetworkPolicyDiscoveryService.service, handlers.policies)
  server.addService(cilium.NetworkPolicyHostsDiscoveryService.service, handlers.hosts)
  server.addService(envoy.service.discovery.v3.AggregatedDiscoveryService.service, handlers.aggregated)
}
