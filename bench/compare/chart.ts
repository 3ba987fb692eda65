// The comparison as a picture: bars, one panel for each question.
import { type Results } from './report.ts'

const WIDTH = 760
const BAR = 16
const ROW = 22
const LABELS = 190
const VALUES = 110
const GAP = 24
const TOP = 62

interface Panel {
  readonly title: string
  readonly unit: string
  readonly digits: number
  readonly bars: readonly { readonly label: string; readonly value: number }[]
}

export function chart(results: Results): string {
  const parts: string[] = []
  let y = TOP
  for (const panel of panels(results)) {
    parts.push(...drawn(panel, y))
    y += 10 + panel.bars.length * ROW + GAP
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

function panels({ modes, compileMs }: Results): Panel[] {
  const setups = modes.flatMap(({ title, setup }) =>
    setup === null ? [] : [{ label: title, value: setup.medianMs }],
  )
  const hybrid = modes.find(({ name }) => name === 'hybrid')?.setup?.medianMs ?? 0
  return [
    {
      title: 'CPU time of the proxy per request (shorter is better)',
      unit: 'us',
      digits: 1,
      bars: modes.map(({ title, cost }) => ({ label: title, value: cost.cpuUsPerRequest ?? 0 })),
    },
    {
      title: 'New connections per second (longer is better)',
      unit: '/s',
      digits: 0,
      bars: modes.map(({ title, cost }) => ({ label: title, value: cost.connectionsPerSecond ?? 0 })),
    },
    {
      title: 'Set-up of one endpoint (shorter is better)',
      unit: 'ms',
      digits: 0,
      bars: [...setups, { label: 'a compiler for each', value: compileMs + hybrid }],
    },
  ]
}

function drawn({ title, unit, digits, bars }: Panel, top: number): string[] {
  const most = Math.max(...bars.map(({ value }) => value), 1)
  const rows = bars.flatMap(({ label, value }, i) => {
    const y = top + 10 + i * ROW
    const width = Math.max(2, (value / most) * (WIDTH - LABELS - VALUES))
    return [
      text(LABELS - 8, y + 12, label, 'text-anchor="end"'),
      `<rect x="${LABELS}" y="${y}" width="${width.toFixed(1)}" height="${BAR}" rx="2" fill="#0b7285"/>`,
      text(Math.round(LABELS + width + 6), y + 12, `${value.toFixed(digits)} ${unit}`, 'fill="#444"'),
    ]
  })
  return [text(16, top, title, 'font-weight="600"'), ...rows]
}

function text(x: number, y: number, content: string, attributes: string): string {
  const escaped = content.replaceAll('&', '&amp;').replaceAll('<', '&lt;')
  return `<text x="${x}" y="${y}" ${attributes}>${escaped}</text>`
}
