// Parties and flows of the oracle, and what both kinds of documents ask of them.
import { isIPv4 } from 'node:net'
import type { Direction } from '../../src/policy/network-policy.ts'

export interface Expression {
  readonly key: string
  readonly operator: 'In' | 'NotIn' | 'Exists' | 'DoesNotExist'
  readonly values?: readonly string[]
}
export interface RawSelector {
  readonly matchLabels?: Readonly<Record<string, string>>
  readonly matchExpressions?: readonly Expression[]
}

/** A workload, an outside address, or a reserved party. */
export interface Party {
  readonly entity?: 'host' | 'remote-node' | 'kube-apiserver'
  readonly address?: string
  readonly namespace?: string
  readonly labels?: Readonly<Record<string, string>>
  readonly namespaceLabels?: Readonly<Record<string, string>>
  /** TCP. */
  readonly ports?: Readonly<Record<string, number>>
}

export interface OracleFlow {
  readonly subject: Party
  readonly peer: Party
  readonly direction: Direction
  readonly protocol: 'TCP' | 'UDP' | 'SCTP' | 'ICMP' | 'ICMPv6'
  /** For ICMP: the type. */
  readonly port: number
}

/** What one rule says of the flow; `close`: what nothing else of the tier decides is denied. */
export interface Claim {
  readonly tier: 'admin' | 'normal' | 'baseline'
  /** Lower first. */
  readonly rank: number
  readonly action: 'deny' | 'allow' | 'pass' | 'close'
  readonly mode: 'enforce' | 'audit' | 'shadow'
  readonly http?: readonly RawHttp[] | undefined
  readonly kafka?: readonly RawKafka[] | undefined
}

/** Rules for requests, as documents have them. */
export interface RawHttp {
  readonly method?: string
  readonly path?: string
}
export interface RawKafka {
  readonly apiKey?: 'produce' | 'fetch'
  readonly clientID?: string
  readonly topic?: string
  readonly topicPrefix?: string
  readonly group?: string
}

/** What the destination calls so, as far as it is TCP. */
export function portOf({ subject, peer, direction, protocol }: OracleFlow, name: string): number | undefined {
  if (protocol !== 'TCP') return undefined
  return (direction === 'ingress' ? subject : peer).ports?.[name.toLowerCase()]
}

export function fulfils({ matchLabels = {}, matchExpressions = [] }: RawSelector, party: Party): boolean {
  const labels: Record<string, string> = { ...party.labels }
  if (party.namespace !== undefined) labels['io.kubernetes.pod.namespace'] = party.namespace
  for (const [key, value] of Object.entries(party.namespaceLabels ?? {})) {
    labels[`io.cilium.k8s.namespace.labels.${key}`] = value
  }
  return matches({ matchLabels, matchExpressions }, labels)
}

export function matches(
  { matchLabels = {}, matchExpressions = [] }: RawSelector,
  labels: Readonly<Record<string, string>>,
): boolean {
  const valueOf = (key: string): string | undefined => labels[key.replace(/^(k8s|any):/, '')]
  return (
    Object.entries(matchLabels).every(([key, value]) => valueOf(key) === value) &&
    matchExpressions.every(({ key, operator, values = [] }) => {
      const value = valueOf(key)
      if (operator === 'Exists') return value !== undefined
      if (operator === 'DoesNotExist') return value === undefined
      return (operator === 'In') === (value !== undefined && values.includes(value))
    })
  )
}

/** Only outside addresses are in prefixes. */
export function isInPrefix({ address }: Party, prefix: string): boolean {
  if (address === undefined) return false
  const [network = '', length] = prefix.split('/')
  if (isIPv4(network) !== isIPv4(address)) return false
  const [a, b] = [toBits(address), toBits(network)]
  const bits = length === undefined ? a.length : Number(length)
  return a.slice(0, bits) === b.slice(0, bits)
}

function toBits(address: string): string {
  if (isIPv4(address))
    return address
      .split('.')
      .map((part) => Number(part).toString(2).padStart(8, '0'))
      .join('')
  const [head = '', tail = ''] = address.split('::')
  const left = head === '' ? [] : head.split(':')
  const right = tail === '' ? [] : tail.split(':')
  const zeros = Array<string>(8 - left.length - right.length).fill('0')
  return [...left, ...zeros, ...right]
    .map((group) => parseInt(group, 16).toString(2).padStart(16, '0'))
    .join('')
}
