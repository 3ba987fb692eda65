// A node with a client pod and a real broker in another pod. Each proxy has a stage of its own.
import { join } from 'node:path'
import { KAFKA_PORT, type KafkaBroker, startKafka } from '../../test/helpers/kafka-broker.ts'
import { TEST_PREFIX } from '../../test/helpers/leftovers.ts'
import { NodeNamespace, type Pod } from '../../test/helpers/node-namespace.ts'
import { onOthersCore } from '../e2e/pinning.ts'

/** Enough that the broker does not collect garbage all the time. Messages are in the page cache, not here. */
const BROKER_JVM = ['-Xms1g', '-Xmx1g', '-XX:+UseSerialGC']

export class Stage {
  readonly node: NodeNamespace
  readonly client: Pod
  readonly server: Pod
  readonly broker: KafkaBroker

  /** Where clients find the broker. */
  readonly address: string

  private constructor(node: NodeNamespace, client: Pod, server: Pod, broker: KafkaBroker, address: string) {
    this.node = node
    this.client = client
    this.server = server
    this.broker = broker
    this.address = address
  }

  /** @param proxyOf address of a proxy that clients dial instead of the broker. */
  static async make(name: string, proxyOf?: (node: NodeNamespace) => string): Promise<Stage> {
    // A name as tests use it: their set-up removes what a killed benchmark has left.
    const node = NodeNamespace.named(`${TEST_PREFIX}${process.pid}-bench-${name}`)
    try {
      const client = node.addPod({ name: 'client', v4: '10.0.0.1', v6: 'fd00::1' })
      const server = node.addPod({ name: 'server', v4: '10.0.0.2', v6: 'fd00::2' })
      const proxy = proxyOf?.(node)
      const broker = await startKafka(server, {
        directory: join(node.workDir, 'kafka'),
        jvmFlags: BROKER_JVM,
        wrapper: onOthersCore([]),
        // What a deleted topic took is free before the next run.
        properties: {
          'file.delete.delay.ms': 1,
          'log.segment.bytes': 64_000_000,
          ...(proxy === undefined ? {} : advertised(server, proxy)),
        },
      })
      return new Stage(node, client, server, broker, proxy ?? broker.servers[0])
    } catch (error) {
      node.destroy()
      throw error
    }
  }

  /** All of its processes end, too. */
  destroy(): void {
    this.node.destroy()
  }
}

/** What the broker tells its clients over IPv4 is the address of the proxy. */
function advertised(server: Pod, proxy: string): Record<string, string> {
  return { 'advertised.listeners': `V4://${proxy},V6://[${server.v6}]:${KAFKA_PORT}` }
}
