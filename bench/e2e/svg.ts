// A bar chart by hand: CPU per request of each proxy, per case.
import { type Case, type Suite } from './cases.ts'
import { type Machine } from './machine.ts'
import { type Measured, medianOf } from './statistics.ts'

const WIDTH = 900
const LABEL_WIDTH = 150
const VALUE_WIDTH = 190
const BAR_HEIGHT = 16
const ROW_HEIGHT = 21
const CASE_GAP = 38
const TOP = 72
const COLOURS: Readonly<Record<string, string>> = {
  weir: '#0b7285',
  'weir-nolog': '#66b2bd',
  'haproxy-http': '#d9822b',
  'haproxy-log': '#e3a765',
  'haproxy-tcp': '#f0bd85',
  envoy: '#8f5ba8',
  'weir-other': '#555555',
}

const PROTOCOLS: Readonly<Record<Suite, string>> = { http1: 'HTTP/1.1', http2: 'HTTP/2 and gRPC' }

export function drawChart(
  suite: Suite,
  cases: readonly Case[],
  all: readonly Measured[],
  machine: Machine,
): string {
  const parts: string[] = []
  let y = TOP
  for (const test of cases) {
    const rows = all.filter(
      (measured) => measured.case === test.name && medianOf(measured, 'cpuUsPerRequest') !== null,
    )
    if (rows.length === 0) continue
    parts.push(text(16, y, test.title, 'font-weight="600"'))
    y += 10
    const most = Math.max(...rows.map((row) => medianOf(row, 'cpuUsPerRequest')!))
    for (const row of rows) {
      parts.push(bar(row, y, most))
      y += ROW_HEIGHT
    }
    y += CASE_GAP - ROW_HEIGHT / 2
  }
  const { cpu, cores, kernel, node, commit, date } = machine
  const where = `${cpu}, ${cores} cores, Linux ${kernel}, Node ${node}, commit ${commit}, ${date.slice(0, 10)}`
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${WIDTH} ${y}" width="${WIDTH}" height="${y}" font-family="system-ui, sans-serif" font-size="13" fill="#222">`,
    `<rect width="${WIDTH}" height="${y}" fill="#fff"/>`,
    text(
      16,
      28,
      `${PROTOCOLS[suite]}: CPU time of the proxy per request, in microseconds`,
      'font-size="17" font-weight="600"',
    ),
    text(
      16,
      46,
      `Shorter is better; each case has its own scale. ${escape(where)}`,
      'fill="#666" font-size="11"',
    ),
    ...parts,
    '</svg>',
    '',
  ].join('\n')
}

function bar(row: Measured, y: number, most: number): string {
  const value = medianOf(row, 'cpuUsPerRequest')!
  const width = Math.max(2, (value / most) * (WIDTH - LABEL_WIDTH - VALUE_WIDTH))
  const middle = y + BAR_HEIGHT - 4
  const rps = medianOf(row, 'rps')
  const label = `${value >= 100 ? value.toFixed(0) : value.toFixed(1)} us`
  const rate = rps === null ? '' : ` (${rps >= 1000 ? `${(rps / 1000).toFixed(1)}k` : rps.toFixed(0)}/s)`
  return [
    text(LABEL_WIDTH - 8, middle, row.proxy, 'text-anchor="end"'),
    `<rect x="${LABEL_WIDTH}" y="${y}" width="${width.toFixed(1)}" height="${BAR_HEIGHT}" rx="2" fill="${COLOURS[row.proxy] ?? '#999'}"/>`,
    text(Number((LABEL_WIDTH + width + 6).toFixed(1)), middle, label + rate, 'fill="#444"'),
  ].join('\n')
}

function text(x: number, y: number, content: string, attributes: string): string {
  return `<text x="${x}" y="${y}" ${attributes}>${content}</text>`
}

function escape(content: string): string {
  return content.replaceAll('&', '&amp;').replaceAll('<', '&lt;')
}
