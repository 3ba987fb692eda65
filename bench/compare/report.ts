// The comparison as Markdown for docs/redirects.md.
import { type Machine } from '../e2e/machine.ts'
import { table } from '../markdown.ts'
import { type Cost, type SetupCost } from './cost.ts'
import { cellOf, isBad, type Outcome } from './outcome.ts'

export interface ModeResult {
  readonly name: string
  readonly title: string
  readonly behaviour: Readonly<Record<string, Outcome>>
  readonly cost: Cost
  /** null: the same rules for all endpoints. */
  readonly setup: SetupCost | null
}

export interface Results {
  readonly machine: Machine
  readonly isQuick: boolean
  readonly modes: readonly ModeResult[]
  readonly direct: Cost
  readonly compileMs: number
  /** That the whole comparison took. */
  readonly seconds: number
}

export function behaviourTable({ modes }: Results): string {
  const titles = [...new Set(modes.flatMap(({ behaviour }) => Object.keys(behaviour)))]
  return table([
    ['', ...modes.map(({ title }) => title)],
    ...titles.map((title) => [title, ...modes.map(({ behaviour }) => emphasise(behaviour[title]))]),
  ])
}

export function costTable({ modes, direct }: Results): string {
  const rows: readonly (readonly [string, (cost: Cost) => number | null, number])[] = [
    ['requests/s', (cost) => cost.requestsPerSecond, 0],
    ['p50, us', (cost) => cost.p50Us, 0],
    ['p99, us', (cost) => cost.p99Us, 0],
    ['CPU of the proxy per request, us', (cost) => cost.cpuUsPerRequest, 1],
    ['new connections/s', (cost) => cost.connectionsPerSecond, 0],
    ['BPF per packet and hook, ns', (cost) => cost.bpfNsPerPacket, 0],
  ]
  return table([
    ['', 'no proxy', ...modes.map(({ title }) => title)],
    ...rows.map(([title, of, digits]) => [
      title,
      ...[direct, ...modes.map(({ cost }) => cost)].map((cost) => of(cost)?.toFixed(digits) ?? '-'),
    ]),
    ...setupRows(modes),
  ])
}

function setupRows(modes: readonly ModeResult[]): string[][] {
  const endpoints = modes.find(({ setup }) => setup !== null)?.setup?.endpoints ?? 0
  const row = (title: string, of: (setup: SetupCost) => string): string[] => [
    title,
    '-',
    ...modes.map(({ setup }) => (setup === null ? '-' : of(setup))),
  ]
  return [
    row('set-up per endpoint, ms', ({ medianMs }) => medianMs.toFixed(1)),
    row('CPU of it, ms', ({ cpuMs }) => cpuMs.toFixed(1)),
    row(`set-up of ${endpoints} endpoints, s`, ({ totalMs }) => (totalMs / 1000).toFixed(1)),
  ]
}

export function setupText({ compileMs, modes }: Results): string {
  const setup = modes.find(({ name }) => name === 'hybrid')?.setup
  if (setup === undefined || setup === null) return ''
  const { endpoints, medianMs, p99Ms, totalMs } = setup
  return [
    `Writing constants into the compiled object, loading and attaching both programs of an endpoint takes ${medianMs.toFixed(1)} ms`,
    `in mode hybrid (median; p99 ${p99Ms.toFixed(1)} ms; ${endpoints} endpoints one after the other: ${(totalMs / 1000).toFixed(1)} s). With a compiler`,
    `for each endpoint it would take ${compileMs.toFixed(0)} ms more, ${((compileMs + medianMs) / medianMs).toFixed(0)} times as long.`,
  ].join('\n')
}

function emphasise(outcome: Outcome | undefined): string {
  const cell = outcome === undefined ? '-' : cellOf(outcome)
  return isBad(cell) ? `**${cell}**` : cell
}
