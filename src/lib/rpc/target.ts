// Where an xDS server is: a unix socket, or TCP. Policies decide who may speak to whom, so TCP means mutual TLS.
import { isIPv6 } from 'node:net'
import { resolve } from 'node:path'
import { WeirError } from '../errors.ts'
import { MAX_SOCKET_PATH_BYTES } from '../limits.ts'

export interface UnixTarget {
  readonly kind: 'unix'
  /** Absolute. */
  readonly path: string
}

export interface TcpTarget {
  readonly kind: 'tcp'
  /** Name or address; IPv6 without brackets. */
  readonly host: string
  /** 1..65535 */
  readonly port: number
}

export type XdsTarget = UnixTarget | TcpTarget

/** `unix:PATH`, or as `parseTcpTarget`. `flag` is named in the message. @throws WeirError CONFIG_INVALID */
export function parseXdsTarget(flag: string, text: string): XdsTarget {
  if (!text.startsWith('unix:')) return parseTcpTarget(flag, text)
  // unix:///run/x and unix:/run/x are both in use.
  const path = text.slice('unix:'.length).replace(/^\/\/(?=\/)/, '')
  if (path === '') throw invalid(flag, text, 'names no socket', `use ${flag} unix:/run/weir/agent.sock`)
  const absolute = resolve(path)
  const bytes = Buffer.byteLength(absolute)
  if (bytes > MAX_SOCKET_PATH_BYTES) {
    throw invalid(flag, text, `has ${bytes} bytes, more than ${MAX_SOCKET_PATH_BYTES}`, 'use a shorter path')
  }
  return { kind: 'unix', path: absolute }
}

/** `name:port`, `address:port` or `[IPv6]:port`. @throws WeirError CONFIG_INVALID */
export function parseTcpTarget(flag: string, text: string): TcpTarget {
  const [, bracketed, plain, digits = ''] = /^(?:\[([^\]]*)\]|([^:[\]/]+)):(\d{1,5})$/.exec(text) ?? []
  const host = bracketed ?? plain
  const port = Number(digits)
  const isHost = bracketed === undefined ? plain !== undefined : isIPv6(bracketed)
  if (host === undefined || !isHost || port < 1 || port > 0xffff) {
    throw invalid(flag, text, 'is not an address', `use e.g. ${flag} 10.0.0.1:15901 or [fd00::1]:15901`)
  }
  return { kind: 'tcp', host, port }
}

/** As `parseXdsTarget` reads it; also the form that gRPC wants. */
export function formatXdsTarget(target: XdsTarget): string {
  if (target.kind === 'unix') return `unix:${target.path}`
  return target.host.includes(':') ? `[${target.host}]:${target.port}` : `${target.host}:${target.port}`
}

function invalid(flag: string, value: string, problem: string, mend: string): WeirError {
  return new WeirError('CONFIG_INVALID', `${flag} ${JSON.stringify(value)} ${problem}`, { mend })
}
