// `weir endpoint list`, `weir identity list`, `weir policy get`: what the agent has been told and made of it.
import type { Command } from 'commander'
import type { Endpoint__Output } from '../../gen/weir/v1/Endpoint.ts'
import type { GetPolicyResponse__Output } from '../../gen/weir/v1/GetPolicyResponse.ts'
import type { ListEndpointsResponse__Output } from '../../gen/weir/v1/ListEndpointsResponse.ts'
import type { ListIdentitiesResponse__Output } from '../../gen/weir/v1/ListIdentitiesResponse.ts'
import { callAgent } from '../agent-call.ts'
import { formatTable } from '../table.ts'
import { printable, printableLines } from '../terminal-text.ts'
import { addListing, type CliIo } from './listing.ts'

export function addInventoryCommands(program: Command, io: CliIo): void {
  addListing<ListEndpointsResponse__Output>(
    program.command('endpoint').description('local workloads').command('list').description('list endpoints'),
    io,
    (stateDir) => callAgent(stateDir, (client, options, done) => client.ListEndpoints({}, options, done)),
    formatEndpoints,
  )
  addListing<ListIdentitiesResponse__Output>(
    program
      .command('identity')
      .description('numbers of label sets')
      .command('list')
      .description('list identities'),
    io,
    (stateDir) => callAgent(stateDir, (client, options, done) => client.ListIdentities({}, options, done)),
    formatIdentities,
  )
  addListing<GetPolicyResponse__Output>(
    program
      .command('policy')
      .description('policies')
      .command('get')
      .description('list policies, or show one')
      .argument('[name]', 'namespace/name'),
    io,
    (stateDir, name) =>
      callAgent(stateDir, (client, options, done) => client.GetPolicy({ name }, options, done)),
    (answer, name) => (name === '' ? formatPolicies(answer) : formatPolicy(answer)),
  )
}

export function formatEndpoints({ endpoints }: ListEndpointsResponse__Output): string {
  return formatTable(
    [
      { title: 'ID', value: (row) => row.id, align: 'right' },
      { title: 'NAME', value: (row) => `${row.namespace}/${row.name}` },
      { title: 'IDENTITY', value: (row) => row.identity, align: 'right' },
      { title: 'INGRESS', value: (row) => row.ingress },
      { title: 'EGRESS', value: (row) => row.egress },
      { title: 'STATE', value: (row) => row.state },
      // Proxies or kernel that lag behind the revision that is wanted.
      { title: 'REVISION', value: revisions, align: 'right' },
      { title: 'DEVICE', value: (row) => row.device },
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

export function formatPolicies({ revision, policies }: GetPolicyResponse__Output): string {
  const table = formatTable(
    [
      { title: 'NAME', value: (row) => row.source?.name ?? '' },
      { title: 'STATE', value: (row) => row.source?.state ?? '' },
      { title: 'ENDPOINTS', value: (row) => row.endpoints.length, align: 'right' },
      { title: 'FILE', value: (row) => row.source?.file ?? '' },
      { title: 'ERROR', value: (row) => row.source?.error ?? '' },
    ],
    policies,
    'no policies',
  )
  return `${table}revision ${revision}\n`
}

/** YAML with what the agent knows about it as comments, so that the output is a policy file again. */
export function formatPolicy({ policies }: GetPolicyResponse__Output): string {
  return policies
    .map(({ source, yaml, endpoints }) => {
      const error = source === null || source.error === '' ? '' : `\n# error: ${printable(source.error)}`
      const head = `# ${source?.name ?? ''}: ${source?.state ?? ''}, from ${source?.file ?? ''}`
      const selects = `# selects ${endpoints.join(', ') || 'no endpoint'}`
      return `${printable(head)}\n${printable(selects)}${error}\n${printableLines(yaml.trimEnd())}\n`
    })
    .join('---\n')
}
