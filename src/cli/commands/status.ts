// `weir status`: is it alive, what is in force, what should somebody look at.
import type { Command } from 'commander'
import type { Source__Output } from '../../gen/weir/v1/Source.ts'
import type { Status__Output } from '../../gen/weir/v1/Status.ts'
import { callAgent } from '../agent-call.ts'
import { formatTable } from '../table.ts'
import { printable } from '../terminal-text.ts'
import { addListing, type CliIo } from './listing.ts'

export function addStatusCommand(program: Command, io: CliIo): void {
  addListing<Status__Output>(
    program.command('status').description('show the agent, its workers, policies and problems'),
    io,
    (stateDir) => callAgent(stateDir, (client, options, done) => client.GetStatus({}, options, done)),
    formatStatus,
  )
}

export function formatStatus(status: Status__Output): string {
  const { endpointsFile, docker } = status
  return [
    `Agent:      ${printable(status.version)}, pid ${status.pid}, redirect ${printable(status.redirect)}\n`,
    `Policy:     revision ${status.revision}\n`,
    `Endpoints:  ${status.endpointsReady} of ${status.endpointsTotal} ready${sourceNote(endpointsFile)}${sourceNote(docker)}\n`,
    `Flows lost: ${status.flowsLost}\n`,
    section('Workers', workers(status)),
    ...(status.xdsClients.length === 0 ? [] : [section('xDS clients', xdsClients(status))]),
    section('Policies', policies(status)),
    section('Drops', drops(status)),
    section('Problems', status.problems.map((problem) => `${printable(problem)}\n`).join('') || 'none\n'),
  ].join('')
}

function section(title: string, body: string): string {
  return `\n${title}:\n${body.replace(/^(?=.)/gm, '  ')}`
}

function sourceNote(source: Source__Output | null): string {
  if (source === null) return ''
  const error = source.error === '' ? '' : `: ${source.error}`
  return printable(` (${source.file} is ${source.state}${error})`)
}

function workers({ workers }: Status__Output): string {
  return formatTable(
    [
      { title: 'SLOT', value: (row) => row.slot, align: 'right' },
      { title: 'PID', value: (row) => row.pid, align: 'right' },
      { title: 'REVISION', value: (row) => row.revision, align: 'right' },
      { title: 'ACTIVE', value: (row) => row.connectionsActive, align: 'right' },
      { title: 'CONNECTIONS', value: (row) => row.connectionsTotal, align: 'right' },
      { title: 'ALLOWED', value: (row) => row.requestsAllowed, align: 'right' },
      { title: 'DENIED', value: (row) => row.requestsDenied, align: 'right' },
      {
        title: 'ERRORS',
        value: (row) =>
          Object.entries(row.errors)
            .map(([code, count]) => `${code}=${count}`)
            .join(','),
      },
      { title: 'REFUSED', value: (row) => row.error },
    ],
    workers,
    'none connected',
  )
}

function xdsClients({ xdsClients }: Status__Output): string {
  return formatTable(
    [
      { title: 'NODE', value: (row) => row.node },
      { title: 'PEER', value: (row) => row.peer },
      { title: 'MODE', value: (row) => row.mode },
      { title: 'TYPE', value: (row) => row.type },
      { title: 'WANTED', value: (row) => row.revisionWanted, align: 'right' },
      { title: 'REALISED', value: (row) => row.revisionRealised, align: 'right' },
      { title: 'REFUSED', value: (row) => row.error },
    ],
    xdsClients,
    'none connected',
  )
}

function policies({ policies }: Status__Output): string {
  return formatTable(
    [
      { title: 'NAME', value: (row) => row.name },
      { title: 'STATE', value: (row) => row.state },
      { title: 'FILE', value: (row) => row.file },
      { title: 'ERROR', value: (row) => row.error },
    ],
    policies,
    'none',
  )
}

function drops({ drops }: Status__Output): string {
  return formatTable(
    [
      { title: 'REASON', value: (row) => row.reason },
      { title: 'DIRECTION', value: (row) => row.direction },
      { title: 'PACKETS', value: (row) => row.packets, align: 'right' },
    ],
    drops,
    'none',
  )
}
