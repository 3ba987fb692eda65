// `weir endpoint list`, `weir identity list|get`: what the agent has been told and made of it.
import type { Command } from 'commander'
import type { Endpoint__Output } from '../../gen/weir/v1/Endpoint.ts'
import type { ListEndpointsResponse__Output } from '../../gen/weir/v1/ListEndpointsResponse.ts'
import type { ListIdentitiesResponse__Output } from '../../gen/weir/v1/ListIdentitiesResponse.ts'
import { callAgent } from '../agent-call.ts'
import { formatTable } from '../table.ts'
import { addListing, type CliIo } from './listing.ts'

export function addInventoryCommands(program: Command, io: CliIo): void {
  addListing<ListEndpointsResponse__Output>(
    program.command('endpoint').description('local workloads').command('list').description('list endpoints'),
    io,
    (stateDir) => callAgent(stateDir, (client, options, done) => client.ListEndpoints({}, options, done)),
    formatEndpoints,
  )
  const identity = program.command('identity').description('numbers of label sets')
  addListing<ListIdentitiesResponse__Output>(
    identity.command('list').description('list identities'),
    io,
    (stateDir) => callAgent(stateDir, (client, options, done) => client.ListIdentities({}, options, done)),
    formatIdentities,
  )
  addListing<ListIdentitiesResponse__Output>(
    identity
      .command('get')
      .description('show one identity')
      .argument('<id>', 'number, or name of a reserved one such as world'),
    io,
    (stateDir, id) =>
      callAgent(stateDir, (client, options, done) => client.ListIdentities({ identity: id }, options, done)),
    formatIdentities,
  )
}

export function formatEndpoints({ endpoints }: ListEndpointsResponse__Output): string {
  return formatTable(
    [
      { title: 'ID', value: (row) => (row.id === 0 ? '-' : row.id), align: 'right' },
      { title: 'NAME', value: (row) => `${row.namespace}/${row.name}` },
      { title: 'IDENTITY', value: (row) => (row.identity === 0 ? '-' : row.identity), align: 'right' },
      { title: 'INGRESS', value: (row) => row.ingress },
      { title: 'EGRESS', value: (row) => row.egress },
      { title: 'STATE', value: (row) => row.state },
      // Proxies or kernel that lag behind the revision that is wanted.
      { title: 'REVISION', value: revisions, align: 'right' },
      { title: 'DEVICE', value: (row) => row.devices.join(',') },
      { title: 'ADDRESSES', value: (row) => row.addresses.join(',') },
      { title: 'LABELS', value: (row) => row.labels.join(',') },
      { title: 'MESSAGE', value: (row) => row.message },
    ],
    endpoints,
    'no endpoints',
  )
}

/** `7`, or `6/7`: realised of wanted. */
function revisions({ revisionWanted, revisionRealised }: Endpoint__Output): string {
  return revisionRealised >= revisionWanted ? String(revisionWanted) : `${revisionRealised}/${revisionWanted}`
}

export function formatIdentities({ identities }: ListIdentitiesResponse__Output): string {
  return formatTable(
    [
      { title: 'IDENTITY', value: (row) => row.identity, align: 'right' },
      { title: 'ENDPOINTS', value: (row) => row.endpoints, align: 'right' },
      { title: 'LABELS', value: (row) => row.labels.join(',') },
    ],
    identities,
    'no identities',
  )
}
