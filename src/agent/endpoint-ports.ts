// `ports` of an endpoint: names that policies may use for them.
import { portNameProblem } from '../policy/port-name.ts'
import { LAST_PORT, SCTP, TCP, UDP, type PortName } from '../policy/rule-model.ts'
import type { Cursor } from '../policy/yaml-cursor.ts'

const PROTOCOLS: Readonly<Record<string, number>> = { TCP, UDP, SCTP }

/** `name: 8080`, which is TCP, or `name: 53/UDP`. Names in lower case. undefined after a problem. */
export function parsePorts(at: Cursor): readonly PortName[] | undefined {
  const names = new Set<string>()
  const ports = at.entries()?.map(([text, valueAt]) => {
    const name = text.toLowerCase()
    const problem = portNameProblem(text)
    if (problem !== undefined) return valueAt.failKey(`"${text}" is not a port name`, problem)
    if (names.has(name)) return valueAt.failKey(`port "${name}" is named twice`, 'case makes no difference')
    names.add(name)
    const port = parsePort(valueAt)
    return port && { name, ...port }
  })
  return ports?.every((port) => port !== undefined) ? ports : undefined
}

function parsePort(at: Cursor): Omit<PortName, 'name'> | undefined {
  const text = at.isText ? at.string() : String(at.integer() ?? '')
  if (text === undefined || text === '') return undefined
  const [number = '', protocolName = 'TCP', ...rest] = text.split('/')
  const port = Number(number)
  const protocol = PROTOCOLS[protocolName]
  if (
    /^\d{1,5}$/.test(number) &&
    port >= 1 &&
    port <= LAST_PORT &&
    protocol !== undefined &&
    rest.length === 0
  ) {
    return { port, protocol }
  }
  return at.fail('is not a port', `write 1 to ${LAST_PORT}, or with a protocol: 53/UDP`)
}
