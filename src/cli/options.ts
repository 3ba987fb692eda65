// Values of flags: parsed, checked against their limits, refused with flag, value, limit and mend.
import { type Stats, statSync } from 'node:fs'
import { availableParallelism } from 'node:os'
import { basename, resolve } from 'node:path'
import { errorMessage, WeirError } from '../lib/errors.ts'
import { ENCODED_SLASH, type EncodedSlash } from '../lib/encoded-slash.ts'
import { EXPECTATIONS, isExpectation, type Expectation } from '../lib/expectation.ts'
import { MAX_SOCKET_PATH_BYTES } from '../lib/limits.ts'
import { instancePaths } from '../lib/paths.ts'
import { parsePort, type ProtocolPort } from '../lib/protocols.ts'
import { REDIRECT_MODES, type RedirectMode } from '../lib/redirect-mode.ts'
import type { XdsMode } from '../lib/rpc/discovery.ts'
import { parseTcpTarget, parseXdsTarget, type TcpTarget, type XdsTarget } from '../lib/rpc/target.ts'
import type { TlsFiles } from '../lib/rpc/tls.ts'

export interface AgentOptions {
  /** Absolute; was a file when the command started. At least one of both is there. */
  readonly endpointsFile: string | undefined
  /** Socket of a Docker engine. */
  readonly dockerSocket: string | undefined
  /** Absolute; was a directory when the command started. */
  readonly policiesDir: string
  readonly stateDir: string
  /** Size of each endpoint's policy map; undefined = the default of the datapath. */
  readonly policyMapEntries: number | undefined
  /** How steered packets get to the proxy; undefined = hybrid. */
  readonly redirect: RedirectMode | undefined
}

/** `weir agent`, which can also serve proxies on other machines. */
export interface StandaloneAgentOptions extends AgentOptions {
  readonly listen: { readonly target: TcpTarget; readonly tls: TlsFiles } | undefined
}

interface RequestHandling {
  /** Absolute path, `-` = standard output, undefined = no access log. */
  readonly accessLog: string | undefined
  /** Body of denials; undefined = the default text. */
  readonly denied403Body: string | undefined
  /** undefined = keep. */
  readonly encodedSlash: EncodedSlash | undefined
}

export interface ProxyOptions extends RequestHandling {
  /** Listener slot, 0-based. */
  readonly slot: number
  readonly stateDir: string
  /** undefined = policies come from the agent of the state directory. */
  readonly xds: XdsOptions | undefined
}

export interface XdsOptions {
  readonly target: XdsTarget
  readonly mode: XdsMode
  /** With TCP and only then. */
  readonly tls: TlsFiles | undefined
}

export interface RunOptions extends AgentOptions, RequestHandling {
  readonly workers: number
}

export interface CleanupOptions {
  readonly stateDir: string
}

export type OutputFormat = 'table' | 'json'

const MAX_DEFAULT_WORKERS = 4
const MAX_BODY_BYTES = 4096

/** One per CPU that the process may use, at most 4. */
export function defaultWorkers(): number {
  return Math.min(availableParallelism(), MAX_DEFAULT_WORKERS)
}

export function integerFlag(flag: string, min: number, max: number): (value: string) => number {
  return (value) => {
    const number = /^\d{1,9}$/.test(value) ? Number(value) : NaN
    if (number >= min && number <= max) return number
    throw invalid(flag, value, `is not a whole number from ${min} to ${max}`, `give one, e.g. ${flag} ${min}`)
  }
}

export function stateDirFlag(value: string): string {
  const dir = resolve(value)
  // The same name becomes a folder in bpffs, where the kernel refuses dots.
  if (!/^[A-Za-z0-9_-]+$/.test(basename(dir))) {
    throw invalid(
      '--state-dir',
      value,
      'must end in a name of letters, digits, _ and - only',
      'use one like /run/weir',
    )
  }
  const bytes = Buffer.byteLength(instancePaths(dir).agentSocket)
  if (bytes > MAX_SOCKET_PATH_BYTES) {
    const limit = `makes a socket path of ${bytes} bytes, more than ${MAX_SOCKET_PATH_BYTES}`
    throw invalid('--state-dir', value, limit, 'use a shorter path')
  }
  return dir
}

export function fileFlag(flag: string): (value: string) => string {
  return (value) => existing(flag, value, 'file')
}

export function directoryFlag(flag: string): (value: string) => string {
  return (value) => existing(flag, value, 'directory')
}

export function accessLogFlag(value: string): string {
  if (value === '') throw invalid('--access-log', value, 'is empty', 'name a file, or - for standard output')
  return value === '-' ? value : resolve(value)
}

export function deniedBodyFlag(value: string): string {
  const bytes = Buffer.byteLength(value)
  if (bytes <= MAX_BODY_BYTES) return value
  throw invalid(
    '--denied-403-body',
    `${value.slice(0, 20)}...`,
    `has ${bytes} bytes, more than ${MAX_BODY_BYTES}`,
    'shorten it',
  )
}

export function encodedSlashFlag(value: string): EncodedSlash {
  const known = ENCODED_SLASH.find((mode) => mode === value)
  if (known !== undefined) return known
  throw invalid('--path-encoded-slash', value, `is none of ${ENCODED_SLASH.join(', ')}`, 'use one of them')
}

export function redirectFlag(value: string): RedirectMode {
  const mode = REDIRECT_MODES.find((candidate) => candidate === value)
  if (mode !== undefined) return mode
  throw invalid('--redirect', value, 'is no redirect mode', `use one of ${REDIRECT_MODES.join(', ')}`)
}

export function portFlag(value: string): ProtocolPort {
  return parsePort(value)
}

export function expectFlag(value: string): Expectation {
  if (isExpectation(value)) return value
  throw invalid('--expect', value, 'is no outcome', `use one of ${EXPECTATIONS.join(', ')}`)
}

export function outputFlag(value: string): OutputFormat {
  if (value === 'table' || value === 'json') return value
  throw invalid('--output', value, 'is neither table nor json', 'use one of both')
}

/** As commander names them. */
export interface TlsFlags {
  readonly tlsCert?: string
  readonly tlsKey?: string
  readonly tlsCa?: string
}

export interface XdsFlags extends TlsFlags {
  readonly xds?: string
  readonly xdsMode?: string
}

/** @throws WeirError CONFIG_INVALID for flags that contradict each other. */
export function xdsOptions(flags: XdsFlags): XdsOptions | undefined {
  const { xds, xdsMode = 'split' } = flags
  if (xds === undefined) {
    refuseTls(flags, '--xds')
    if (flags.xdsMode !== undefined) throw needs('--xds-mode', '--xds')
    return undefined
  }
  if (xdsMode !== 'split' && xdsMode !== 'ads') {
    throw invalid('--xds-mode', xdsMode, 'is neither split nor ads', 'use one of both')
  }
  const target = parseXdsTarget('--xds', xds)
  if (target.kind === 'tcp') return { target, mode: xdsMode, tls: tlsFiles(`--xds ${xds}`, flags) }
  refuseTls(flags, '--xds HOST:PORT')
  return { target, mode: xdsMode, tls: undefined }
}

/** @throws WeirError CONFIG_INVALID for flags that contradict each other. */
export function listenOptions(
  flags: TlsFlags & { readonly listen?: string },
): { readonly target: TcpTarget; readonly tls: TlsFiles } | undefined {
  if (flags.listen === undefined) {
    refuseTls(flags, '--listen')
    return undefined
  }
  const target = parseTcpTarget('--listen', flags.listen)
  return { target, tls: tlsFiles(`--listen ${flags.listen}`, flags) }
}

function tlsFiles(what: string, { tlsCert, tlsKey, tlsCa }: TlsFlags): TlsFiles {
  if (tlsCert !== undefined && tlsKey !== undefined && tlsCa !== undefined) {
    return { cert: tlsCert, key: tlsKey, ca: tlsCa }
  }
  const missing = Object.entries({ '--tls-cert': tlsCert, '--tls-key': tlsKey, '--tls-ca': tlsCa })
    .filter(([, value]) => value === undefined)
    .map(([flag]) => flag)
  throw new WeirError(
    'CONFIG_INVALID',
    `${what}: TCP without mutual TLS is refused, ${missing.join(' and ')} missing`,
    { mend: 'give certificate, key and authority, or use a unix socket' },
  )
}

function refuseTls({ tlsCert, tlsKey, tlsCa }: TlsFlags, needed: string): void {
  if (tlsCert ?? tlsKey ?? tlsCa) throw needs('--tls-cert, --tls-key, --tls-ca', needed)
}

function needs(flag: string, needed: string): WeirError {
  return new WeirError('CONFIG_INVALID', `${flag} without ${needed} has no effect`, {
    mend: `add ${needed}, or leave it out`,
  })
}

function existing(flag: string, value: string, kind: 'file' | 'directory'): string {
  const stats = statsOf(flag, value)
  if (stats === undefined) throw invalid(flag, value, 'does not exist', `create the ${kind} first`)
  if (kind === 'directory' ? stats.isDirectory() : !stats.isDirectory()) return resolve(value)
  throw invalid(flag, value, `is not a ${kind}`, `name a ${kind}`)
}

function statsOf(flag: string, value: string): Stats | undefined {
  try {
    return statSync(value, { throwIfNoEntry: false })
  } catch (error) {
    throw invalid(
      flag,
      value,
      `cannot be looked at: ${errorMessage(error)}`,
      'correct the path, or its access',
    )
  }
}

function invalid(flag: string, value: string, limit: string, mend: string): WeirError {
  return new WeirError('CONFIG_INVALID', `${flag} ${JSON.stringify(value)} ${limit}`, { mend })
}
