// The stage of one mode: a node with a client and two servers, and another machine at its uplink.
import { startHttpServer, type HttpServer } from '../../test/helpers/http-server.ts'
import { TEST_PREFIX } from '../../test/helpers/leftovers.ts'
import { NodeNamespace, type Pod } from '../../test/helpers/node-namespace.ts'
import { startNginx } from '../../test/helpers/nginx.ts'
import { addRemoteHost, type RemoteHost } from '../../test/helpers/remote-host.ts'

const PORTS = { 'net.ipv4.ip_local_port_range': '1100 59999', 'net.core.somaxconn': 4096 }
export const BIG_PATH = '/ok/big'
export const BIG = Buffer.alloc(1_000_000, 'weir')

export interface Site {
  readonly node: NodeNamespace
  readonly client: Pod
  readonly server: Pod
  readonly second: Pod
  readonly remote: RemoteHost
  readonly web: HttpServer
  readonly secondWeb: HttpServer
  destroy(): void
}

export async function makeSite(name: string, bridge?: 'plain'): Promise<Site> {
  const node = NodeNamespace.named(`${TEST_PREFIX}${process.pid}-compare-${name}`, {
    sysctls: PORTS,
    ...(bridge === undefined ? {} : { bridge }),
  })
  const closers: (() => void)[] = [() => node.destroy()]
  const destroy = (): void => closers.reverse().forEach((close) => close())
  try {
    const pods = ['client', 'server', 'second'].map((name, i) =>
      node.addPod({ name, v4: `10.244.0.${11 + i}`, v6: `fd00:244::${11 + i}` }),
    )
    const [client, server, second] = pods as [Pod, Pod, Pod]
    client.sysctl(PORTS)
    const remote = addRemoteHost({ teardown: (handler) => void closers.push(handler) }, node)
    const web = await startHttpServer(server, { files: { [BIG_PATH]: BIG } })
    const secondWeb = await startHttpServer(second)
    closers.push(
      () => web.close(),
      () => secondWeb.close(),
    )
    return { node, client, server, second, remote, web, secondWeb, destroy }
  } catch (error) {
    destroy()
    throw error
  }
}

/** For load: in the place of the test server. */
export async function useNginx(site: Site): Promise<void> {
  site.web.close()
  await startNginx(site.server, { directory: `${site.node.workDir}/nginx` })
}
