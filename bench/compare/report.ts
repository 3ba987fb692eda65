// The comparison as Markdown for docs/redirects.md, and as a picture.
import { type Machine } from '../e2e/machine.ts'
import { table } from '../markdown.ts'
import { type Cost, type SetupCost } from './cost.ts'

export interface ModeResult {
  readonly name: string
  readonly title: string
  readonly behaviour: Readonly<Record<string, string>>
  readonly cost: Cost
  readonly setup?: SetupCost
}

export interface Results {
  readonly machine: Machine
  readonly isQuick: boolean
  readonly modes: readonly ModeResult[]
  readonly direct: Cost
  readonly compileMs: number
  /** Of the default mode. */
  readonly manyEndpoints: SetupCost
}

export function behaviourTable({ modes }: Results): string {
  const titles = [...new Set(modes.flatMap(({ behaviour }) => Object.keys(behaviour)))]
  return table([
    ['', ...modes.map(({ title }) => title)],
    ...titles.map((title) => [title, ...modes.map(({ behaviour }) => emphasise(behaviour[title] ?? '-'))]),
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
    [
      'set-up per endpoint, ms',
      '-',
      ...modes.map(({ setup }) => (setup === undefined ? '-' : setup.medianMs.toFixed(1))),
    ],
  ])
}

export function setupText({ compileMs, manyEndpoints }: Results): string {
  const { endpoints, medianMs, p99Ms, totalMs } = manyEndpoints
  return [
    `Compiling for each endpoint would take ${compileMs.toFixed(0)} ms; writing constants into the compiled object, loading and`,
    `attaching both programs takes ${medianMs.toFixed(1)} ms (median; p99 ${p99Ms.toFixed(1)} ms; ${endpoints} endpoints one after the`,
    `other: ${(totalMs / 1000).toFixed(1)} s), ${(compileMs / medianMs).toFixed(0)} times less.`,
  ].join('\n')
}

function emphasise(result: string): string {
  return /^(BYPASSED|fails|broken|hangs|first hangs|no$)/.test(result) ? `**${result}**` : result
}

const WIDTH = 760
const BAR = 16
const ROW = 22
const LABELS = 150

/** CPU per request and new connections per second, one bar for each mode. */
export function chart(results: Results): string {
  const parts: string[] = []
  let y = 62
  for (const [title, of, unit] of [
    ['CPU time of the proxy per request (shorter is better)', (c: Cost) => c.cpuUsPerRequest, 'us'],
    ['New connections per second (longer is better)', (c: Cost) => c.connectionsPerSecond, '/s'],
  ] as const) {
    const values = results.modes.map(({ title, cost }) => ({ title, value: of(cost) ?? 0 }))
    const most = Math.max(...values.map(({ value }) => value), 1)
    parts.push(text(16, y, title, 'font-weight="600"'))
    y += 10
    for (const { title, value } of values) {
      const width = Math.max(2, (value / most) * (WIDTH - LABELS - 110))
      parts.push(
        text(LABELS - 8, y + 12, title, 'text-anchor="end"'),
        `<rect x="${LABELS}" y="${y}" width="${width.toFixed(1)}" height="${BAR}" rx="2" fill="#0b7285"/>`,
        text(
          Math.round(LABELS + width + 6),
          y + 12,
          `${value.toFixed(unit === 'us' ? 1 : 0)} ${unit}`,
          'fill="#444"',
        ),
      )
      y += ROW
    }
    y += 24
  }
  const { cpu, cores, kernel, node, commit, date } = results.machine
  const where = `${cpu}, ${cores} cores, Linux ${kernel}, Node ${node}, commit ${commit}, ${date.slice(0, 10)}`
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${WIDTH} ${y}" width="${WIDTH}" height="${y}" font-family="system-ui, sans-serif" font-size="13" fill="#222">`,
    `<rect width="${WIDTH}" height="${y}" fill="#fff"/>`,
    text(16, 24, 'Redirects compared: same proxy, same policy', 'font-size="16" font-weight="600"'),
    text(16, 42, where, 'fill="#666" font-size="11"'),
    ...parts,
    '</svg>',
    '',
  ].join('\n')
}

function text(x: number, y: number, content: string, attributes: string): string {
  const escaped = content.replaceAll('&', '&amp;').replaceAll('<', '&lt;')
  return `<text x="${x}" y="${y}" ${attributes}>${escaped}</text>`
}
