// Topic ids that brokers have told, by who tells them. A broker that lies about an id can mislead about its own cluster
// only: brokers share what they told where policy does not tell them apart, or where they are one address.
import { TopicIds } from '../l7rules/kafka/topic-ids.ts'

/** Identities below are reserved, `world` among them: no word of one cluster counts for another there. */
const FIRST_CLUSTER_IDENTITY = 256
/** Clusters are few; which ones are remembered follows from what connects where. */
const MAX_CLUSTERS = 256

export class KafkaClusters {
  readonly #clusters = new Map<string, TopicIds>()

  topicIds(identity: number, address: string): TopicIds {
    const key = identity < FIRST_CLUSTER_IDENTITY ? address : String(identity)
    const known = this.#clusters.get(key)
    if (known !== undefined) return known
    const [oldest] = this.#clusters.keys()
    if (oldest !== undefined && this.#clusters.size >= MAX_CLUSTERS) this.#clusters.delete(oldest)
    const made = new TopicIds()
    this.#clusters.set(key, made)
    return made
  }
}
