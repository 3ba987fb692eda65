// `weir bpf ...`: what is in the kernel's maps right now.
import type { Command } from 'commander'
import type { ListConnectionsResponse__Output } from '../../gen/weir/v1/ListConnectionsResponse.ts'
import type { ListIpcacheResponse__Output } from '../../gen/weir/v1/ListIpcacheResponse.ts'
import type { ListPolicyMapResponse__Output } from '../../gen/weir/v1/ListPolicyMapResponse.ts'
import { callAgent } from '../agent-call.ts'
import { formatTable } from '../table.ts'
import { addListing, type CliIo } from './listing.ts'

export function addBpfCommands(program: Command, io: CliIo): void {
  const bpf = program.command('bpf').description('maps of the kernel')
  const policyMap = (stateDir: string, endpoint: string): Promise<ListPolicyMapResponse__Output> =>
    callAgent(stateDir, (client, options, done) => client.ListPolicyMap({ endpoint }, options, done))
  const ipcache = (stateDir: string, address: string): Promise<ListIpcacheResponse__Output> =>
    callAgent(stateDir, (client, options, done) => client.ListIpcache({ address }, options, done))
  const policy = bpf
    .command('policy')
    .description('policy maps')
    .argument('[endpoint]', 'name, namespace/name or id; all when absent')
  addListing<ListPolicyMapResponse__Output>(policy, io, policyMap, formatPolicyMap)
  addListing<ListPolicyMapResponse__Output>(
    policy
      .command('get')
      .description('the policy map of one endpoint')
      .argument('<endpoint>', 'name, namespace/name or id'),
    io,
    policyMap,
    formatPolicyMap,
  )
  const addresses = bpf.command('ipcache').description('which identity owns which address')
  addListing<ListIpcacheResponse__Output>(addresses, io, ipcache, formatIpcache)
  addListing<ListIpcacheResponse__Output>(
    addresses
      .command('get')
      .description('the entry that decides for an address: that with the longest prefix')
      .argument('<address>', 'IPv4 or IPv6'),
    io,
    ipcache,
    formatIpcache,
  )
  addListing<ListConnectionsResponse__Output>(
    bpf.command('conns').description('connections on their way to a worker'),
    io,
    (stateDir) => callAgent(stateDir, (client, options, done) => client.ListConnections({}, options, done)),
    formatConnections,
  )
}

/** 0 in a policy map key stands for every identity. */
const identityOrAny = (identity: number): string => (identity === 0 ? 'ANY' : String(identity))
/** 0 in a connection entry: no local endpoint on that side. */
const endpointOrNone = (id: number): string => (id === 0 ? '-' : String(id))

export function formatPolicyMap({ rows }: ListPolicyMapResponse__Output): string {
  return formatTable(
    [
      { title: 'ENDPOINT', value: (row) => `${row.endpoint} (${row.endpointId})` },
      { title: 'DIRECTION', value: (row) => row.direction },
      { title: 'IDENTITY', value: (row) => identityOrAny(row.identity), align: 'right' },
      { title: 'PROTOCOL', value: (row) => row.protocol },
      { title: 'PORT', value: (row) => row.port },
      { title: 'VERDICT', value: (row) => row.verdict },
      { title: 'PRECEDENCE', value: (row) => row.precedence, align: 'right' },
    ],
    rows,
    'no entries: everything is denied',
  )
}

export function formatIpcache({ rows }: ListIpcacheResponse__Output): string {
  return formatTable(
    [
      { title: 'PREFIX', value: (row) => row.prefix },
      { title: 'IDENTITY', value: (row) => row.identity, align: 'right' },
      { title: 'LABELS', value: (row) => row.labels.join(',') },
    ],
    rows,
    'no entries',
  )
}

export function formatConnections({ rows }: ListConnectionsResponse__Output): string {
  return formatTable(
    [
      { title: 'SOURCE', value: (row) => row.source },
      { title: 'DESTINATION', value: (row) => row.destination },
      { title: 'SOURCE-ID', value: (row) => row.sourceIdentity, align: 'right' },
      { title: 'DESTINATION-ID', value: (row) => row.destinationIdentity, align: 'right' },
      { title: 'EGRESS', value: (row) => endpointOrNone(row.egressEndpoint), align: 'right' },
      { title: 'INGRESS', value: (row) => endpointOrNone(row.ingressEndpoint), align: 'right' },
      { title: 'REVISION', value: (row) => row.revision, align: 'right' },
    ],
    rows,
    'no entries',
  )
}
