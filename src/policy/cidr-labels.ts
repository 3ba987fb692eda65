// Prefixes as labels: an identity for a prefix carries the label of every prefix that contains it, so that
// `cidr:10.0.0.0/8` selects what is inside of it, and the absence of one says "except".
import { formatPrefix, parsePrefix, truncate } from '../lib/address.ts'
import { formatLabel, LabelSet, RESERVED_SOURCE, type Label } from './labels.ts'
import { makeSelector, type Requirement, type Selector } from './selector.ts'

export const CIDR_SOURCE = 'cidr'

/** Labels of addresses outside of the cluster that the prefix (canonical text) is the longest known one of. */
export function prefixLabels(prefix: string): LabelSet {
  const { address, bits } = parsePrefix(prefix)
  const isIPv4 = !prefix.includes(':')
  const labels: Label[] = [reserved('world'), reserved(isIPv4 ? 'world-ipv4' : 'world-ipv6')]
  for (let length = isIPv4 ? 96 : 0; length <= bits; length++) {
    labels.push({ source: CIDR_SOURCE, key: formatPrefix(truncate(address, length)), value: '' })
  }
  return new LabelSet(labels)
}

function reserved(key: string): Label {
  return { source: RESERVED_SOURCE, key, value: '' }
}

/** Addresses outside of the cluster in a prefix, but not in those of `except`; all canonical. */
export function prefixSelector(prefix: string, except: readonly string[] = []): Selector {
  return makeSelector([hasPrefix(prefix, 'Exists'), ...except.map((one) => hasPrefix(one, 'DoesNotExist'))])
}

function hasPrefix(prefix: string, operator: 'Exists' | 'DoesNotExist'): Requirement {
  return { source: CIDR_SOURCE, key: prefix, operator, values: [] }
}

/** `source:key=value`, sorted; of the prefixes only the longest, which the others follow from. */
export function shownLabels(labels: LabelSet): string[] {
  const prefixes = labels.labels.filter(({ source }) => source === CIDR_SOURCE)
  const longest = Math.max(...prefixes.map(({ key }) => parsePrefix(key).bits))
  return labels.labels
    .filter(({ source, key }) => source !== CIDR_SOURCE || parsePrefix(key).bits === longest)
    .map(formatLabel)
}
