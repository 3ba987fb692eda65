// What is measured.
import { DENIED_PATH, GRPC_CHAT_PATH, GRPC_PATH, LARGE_PATH, type RuleCount, SMALL_PATH } from './rules.ts'

export interface Case {
  readonly name: string
  readonly title: string
  /** Open at the same time. */
  readonly connections: number
  readonly path: string
  readonly headers?: readonly string[]
  /** Under a rule set of that size, over many paths instead of `path`. */
  readonly rules?: RuleCount
  /** HTTP/2, with so many streams open at the same time on each connection. */
  readonly streams?: number
  /** Unary gRPC calls. */
  readonly isGrpc?: boolean
  /** Every other request is denied. */
  readonly isHalfDenied?: boolean
  /** All requests are denied; otherwise all succeed. */
  readonly isDenied?: boolean
  /** Connections that only exist, or streams that `areOpen`; no load. */
  readonly isIdle?: boolean
  /** Streams that carried a message and wait for the next one, which never comes. */
  readonly areOpen?: boolean
  /** Left out of a quick run. */
  readonly isThorough?: boolean
}

/** What a browser sends, beside Host: seven more make eight. */
const BROWSER_HEADERS = [
  'User-Agent: Mozilla/5.0 (X11; Linux x86_64; rv:128.0) Gecko/20100101 Firefox/128.0',
  'Accept: application/json, text/plain, */*',
  'Accept-Language: en-GB,en;q=0.7,de;q=0.3',
  'Accept-Encoding: gzip, deflate, br',
  'Referer: http://items.example:8080/index.html',
  'Cookie: session=0123456789abcdef0123456789abcdef; theme=dark',
  'X-Request-Id: 7f3e0b1c-4b8e-4f0e-9d0e-1d2c3b4a5968',
]

export const HTTP1_CASES: readonly Case[] = [
  { name: 'small-64', title: 'small GET, 64 connections', connections: 64, path: SMALL_PATH },
  { name: 'small-1', title: 'small GET, 1 connection', connections: 1, path: SMALL_PATH },
  {
    name: 'headers-64',
    title: '8-header GET, 64 connections',
    connections: 64,
    path: SMALL_PATH,
    headers: BROWSER_HEADERS,
    isThorough: true,
  },
  {
    name: 'new-16',
    title: 'a new connection per request, 16 at a time',
    connections: 16,
    path: SMALL_PATH,
    headers: ['Connection: close'],
  },
  { name: 'large-4', title: '10 MB bodies, 4 connections', connections: 4, path: LARGE_PATH },
  {
    name: 'denied-64',
    title: 'all denied, 64 connections',
    connections: 64,
    path: DENIED_PATH,
    isDenied: true,
  },
  ...([1, 1000, 10_000] as const).map((rules) => ({
    name: `rules-${rules}`,
    title: `${rules.toLocaleString('en')} rule${rules === 1 ? '' : 's'}, 1,000 paths, 64 connections`,
    connections: 64,
    path: '',
    rules,
    isThorough: rules === 1000,
  })),
  { name: 'idle', title: '10,000 idle connections', connections: 10_000, path: SMALL_PATH, isIdle: true },
]

const shape = (connections: number, streams: number): string =>
  `${connections} connection${connections === 1 ? '' : 's'} with ${streams} stream${streams === 1 ? '' : 's'}`

const onHttp2 = (name: string, title: string, connections: number, streams: number): Case => ({
  name,
  title: `${title}, ${shape(connections, streams)}`,
  connections,
  streams,
  path: SMALL_PATH,
})

export const HTTP2_CASES: readonly Case[] = [
  onHttp2('h2-64x1', 'small GET', 64, 1),
  onHttp2('h2-8x16', 'small GET', 8, 16),
  { ...onHttp2('h2-half-denied', 'half denied', 64, 1), isHalfDenied: true },
  { ...onHttp2('h2-half-denied-8x16', 'half denied', 8, 16), isHalfDenied: true },
  { ...onHttp2('grpc-64x1', 'unary gRPC', 64, 1), path: GRPC_PATH, isGrpc: true },
  { ...onHttp2('grpc-8x16', 'unary gRPC', 8, 16), path: GRPC_PATH, isGrpc: true },
  {
    name: 'h2-idle',
    title: '10,000 idle HTTP/2 connections',
    connections: 10_000,
    streams: 1,
    path: SMALL_PATH,
    isIdle: true,
  },
  {
    name: 'h2-idle-streams',
    title: '10,000 idle gRPC streams on 100 connections',
    connections: 100,
    streams: 100,
    path: GRPC_CHAT_PATH,
    isGrpc: true,
    isIdle: true,
    areOpen: true,
  },
]

export const SUITES = { http1: HTTP1_CASES, http2: HTTP2_CASES } as const
export type Suite = keyof typeof SUITES

export type Load = Omit<Case, 'name' | 'title' | 'isThorough'>
