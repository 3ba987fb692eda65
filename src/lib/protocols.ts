// IP protocols by name, and ports as people write them: `80`, `53/UDP`, `8/ICMP`.
import { WeirError } from './errors.ts'

/** 0 = any, in policy map entries only. */
export const PROTOCOL_NAMES: Readonly<Record<number, string>> = {
  0: 'ANY',
  1: 'ICMP',
  6: 'TCP',
  17: 'UDP',
  58: 'ICMPv6',
  132: 'SCTP',
}

export interface ProtocolPort {
  /** IP protocol number. */
  readonly protocol: number
  /** Host order; of ICMP the type. */
  readonly port: number
}

const TCP = 6
const LAST_PORT = 65_535
const LAST_ICMP_TYPE = 255

export function protocolName(protocol: number): string {
  return PROTOCOL_NAMES[protocol] ?? String(protocol)
}

/** `80/TCP`; of protocols without ports the name alone. */
export function formatPort({ protocol, port }: ProtocolPort): string {
  return protocol in PROTOCOL_NAMES ? `${port}/${protocolName(protocol)}` : protocolName(protocol)
}

/**
 * `PORT[/PROTOCOL]`, TCP when none is named; of ICMP and ICMPv6 the type stands for the port.
 * @throws WeirError CONFIG_INVALID with value and mend
 */
export function parsePort(text: string): ProtocolPort {
  const [, number = '', name = 'TCP'] = /^(\d{1,5})(?:\/([A-Za-z0-9]+))?$/.exec(text) ?? []
  const protocol = protocolNumber(name)
  const last = protocol === 1 || protocol === 58 ? LAST_ICMP_TYPE : LAST_PORT
  if (number === '' || protocol === undefined || Number(number) > last) {
    throw new WeirError('CONFIG_INVALID', `port ${JSON.stringify(text)} is not PORT[/PROTOCOL]`, {
      mend: 'e.g. 80, 53/UDP, or a type of ICMP: 8/ICMP, 128/ICMPv6',
    })
  }
  return { protocol, port: Number(number) }
}

function protocolNumber(name: string): number | undefined {
  const found = Object.entries(PROTOCOL_NAMES).find(([number, known]) => {
    return number !== '0' && known.toLowerCase() === name.toLowerCase()
  })
  return found === undefined ? undefined : Number(found[0])
}

export function isTcp(protocol: number): boolean {
  return protocol === TCP
}
