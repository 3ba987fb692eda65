// Which labels of a workload make its identity. Labels that differ between replicas of one workload would
// give each replica a number of its own, and each number costs entries in every policy map that admits it.
import { LabelSet, RESERVED_SOURCE } from './labels.ts'

interface LabelFilter {
  /** Tried at the beginning of the key; of several that match, the longest match decides. */
  readonly pattern: RegExp
  readonly relevant: boolean
}

/**
 * The defaults of Cilium, and what Compose and builders of images write down about a container. A key that nothing
 * matches is relevant.
 */
const FILTERS: readonly LabelFilter[] = [
  { pattern: /^io\.kubernetes\.pod\.namespace/, relevant: true },
  { pattern: /^io\.cilium\.k8s\.namespace\.labels/, relevant: true },
  { pattern: /^io\.cilium\.k8s\.policy\.cluster/, relevant: true },
  { pattern: /^io\.cilium\.k8s\.policy\.serviceaccount/, relevant: true },
  { pattern: /^app\.kubernetes\.io/, relevant: true },
  { pattern: /^io\.kubernetes/, relevant: false },
  { pattern: /^kubernetes\.io/, relevant: false },
  { pattern: /^k8s\.io/, relevant: false },
  { pattern: /^.*beta\.kubernetes\.io/, relevant: false },
  { pattern: /^statefulset\.kubernetes\.io\/pod-name/, relevant: false },
  { pattern: /^apps\.kubernetes\.io\/pod-index/, relevant: false },
  { pattern: /^batch\.kubernetes\.io\/(job-completion-index|controller-uid)/, relevant: false },
  { pattern: /^topology\.kubernetes\.io/, relevant: false },
  { pattern: /^pod-template-(generation|hash)/, relevant: false },
  { pattern: /^controller-(revision-hash|uid)/, relevant: false },
  { pattern: /^annotation/, relevant: false },
  { pattern: /^com\.docker\.compose/, relevant: false },
  { pattern: /^com\.docker\.compose\.(project|service|oneoff)$/, relevant: true },
  { pattern: /^org\.opencontainers\.image/, relevant: false },
  { pattern: /^org\.label-schema/, relevant: false },
  { pattern: /^maintainer$/, relevant: false },
]

/** The labels that count for the identity; selectors see only these. */
export function identityLabels(labels: LabelSet): LabelSet {
  return new LabelSet(
    labels.labels.filter(({ source, key }) => source === RESERVED_SOURCE || isIdentityRelevant(key)),
  )
}

/** Whether labels with this key, but for reserved ones, count for the identity. */
export function isIdentityRelevant(key: string): boolean {
  let longest = 0
  let relevant = true
  for (const filter of FILTERS) {
    const length = filter.pattern.exec(key)?.[0].length ?? 0
    if (length > longest) {
      longest = length
      relevant = filter.relevant
    }
  }
  return relevant
}
