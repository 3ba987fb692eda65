// A node with a client pod and a server pod. Proxies that must not notice each other get a stage each: what Weir
// attaches to devices and to its namespace would cost the others, too.
import { join } from 'node:path'
import { TEST_PREFIX } from '../../test/helpers/leftovers.ts'
import { NodeNamespace, type Pod } from '../../test/helpers/node-namespace.ts'
import { startNginx } from './nginx.ts'
import { startGrpcServer } from './grpc.ts'
import { GRPC, RULE_SETS } from './rules.ts'

/** Not among those that the kernel gives to outgoing connections: a proxy could not listen then. */
export const FIRST_PROXY_PORT = 60_000
/** Many short connections: ports are used again while older ones are still in TIME_WAIT. */
const PORTS = { 'net.ipv4.ip_local_port_range': `1100 ${FIRST_PROXY_PORT - 1}`, 'net.core.somaxconn': 4096 }

export class Stage {
  readonly node: NodeNamespace
  readonly client: Pod
  readonly server: Pod

  private constructor(name: string) {
    // A name as tests use it: their set-up removes what a killed benchmark has left.
    this.node = NodeNamespace.named(`${TEST_PREFIX}${process.pid}-bench-${name}`, { sysctls: PORTS })
    this.client = this.node.addPod({ name: 'client', v4: '10.0.0.1', v6: 'fd00::1' })
    this.server = this.node.addPod({ name: 'server', v4: '10.0.0.2', v6: 'fd00::2' })
    for (const pod of [this.client, this.server]) pod.sysctl(PORTS)
  }

  static async make(name: string): Promise<Stage> {
    const stage = new Stage(name)
    try {
      await startNginx(
        stage.server,
        join(stage.node.workDir, 'nginx'),
        RULE_SETS.filter((set) => set !== GRPC),
      )
      await startGrpcServer(stage.server)
      return stage
    } catch (error) {
      stage.destroy()
      throw error
    }
  }

  /** All of its processes end, too. */
  destroy(): void {
    this.node.destroy()
  }
}
