// `weir policy ...`: what is in force, and what policies would do.
import type { Command } from 'commander'
import type { GetPolicyResponse__Output } from '../../gen/weir/v1/GetPolicyResponse.ts'
import type { ListSelectorsResponse__Output } from '../../gen/weir/v1/ListSelectorsResponse.ts'
import { callAgent } from '../agent-call.ts'
import type { Rehearsal } from '../rehearsal.ts'
import { formatTable } from '../table.ts'
import { printable, printableLines } from '../terminal-text.ts'
import { addListing, type CliIo } from './listing.ts'
import { addPolicyTestCommand } from './policy-test.ts'
import { addTraceCommand } from './policy-trace.ts'
import { addValidateCommand } from './policy-validate.ts'

export function addPolicyCommands(program: Command, rehearsal: Rehearsal, io: CliIo): void {
  const policy = program.command('policy').description('policies: in force, to be, and what they do')
  addListing<GetPolicyResponse__Output>(
    policy.command('get').description('list policies, or show one').argument('[name]', 'namespace/name'),
    io,
    (stateDir, name) =>
      callAgent(stateDir, (client, options, done) => client.GetPolicy({ name }, options, done)),
    (answer, name) => (name === '' ? formatPolicies(answer) : formatPolicy(answer)),
  )
  addListing<ListSelectorsResponse__Output>(
    policy
      .command('selectors')
      .description('distinct selectors, whom they select, and how many rules share them'),
    io,
    (stateDir) => callAgent(stateDir, (client, options, done) => client.ListSelectors({}, options, done)),
    formatSelectors,
  )
  addValidateCommand(policy, rehearsal, io)
  addTraceCommand(policy, rehearsal, io)
  addPolicyTestCommand(policy, rehearsal, io)
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

const MAX_IDENTITIES = 8

export function formatSelectors({ rows }: ListSelectorsResponse__Output): string {
  return formatTable(
    [
      { title: 'ROLE', value: (row) => row.role },
      { title: 'USERS', value: (row) => row.users, align: 'right' },
      { title: 'SELECTS', value: (row) => row.identities.length, align: 'right' },
      { title: 'IDENTITIES', value: ({ identities }) => shortList(identities) },
      { title: 'SELECTOR', value: (row) => row.selector || 'everything' },
    ],
    rows,
    'no selectors',
  )
}

function shortList(identities: readonly number[]): string {
  const shown = identities.slice(0, MAX_IDENTITIES).join(',')
  return identities.length > MAX_IDENTITIES ? `${shown},...` : shown
}
