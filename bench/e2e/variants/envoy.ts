// Envoy on the node, dialled by the client: HTTP connection manager, RBAC with the same regular expressions, one
// worker thread. Envoy shares upstream connections between requests; it cannot do 1:1 without losing keep-alive.
import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { canDial } from '../../../test/helpers/tcp.ts'
import { endProcess, untilUp } from '../child.ts'
import { onOthersCore, pinProxy } from '../pinning.ts'
import { MAIN, RULE_SETS, type RuleSet, ruleSetOf } from '../rules.ts'
import { FIRST_PROXY_PORT, type Stage } from '../stage.ts'
import { type Variant } from './variant.ts'

const FIRST_PORT = FIRST_PROXY_PORT + 200
const TYPE = 'type.googleapis.com/envoy'

export async function startEnvoy(
  stage: Stage,
  executable: string,
  sets: readonly RuleSet[],
): Promise<Variant> {
  const directory = join(stage.node.workDir, 'envoy')
  mkdirSync(directory, { recursive: true })
  const file = join(directory, 'envoy.json')
  const listeners = sets.map((set) => listener(stage, set))
  const clusters = sets.map((set) => cluster(stage, set))
  writeFileSync(file, JSON.stringify({ static_resources: { listeners, clusters } }))
  const flags = ['--concurrency', '1', '--disable-hot-restart', '--log-level', 'error']
  const child = stage.node.spawn(onOthersCore([executable, '-c', file, ...flags]), { detached: true })
  await untilUp(child, 'envoy', () => canDial(stage.node, { host: stage.node.v4, port: portOf(MAIN) }))
  const pid = child.pid!
  pinProxy(pid)
  return {
    name: 'envoy',
    client: stage.client,
    workDir: stage.node.workDir,
    pids: [pid],
    canDo: () => true,
    targetOf: (load) => ({ host: stage.node.v4, port: portOf(ruleSetOf(load)) }),
    restMs: 1000,
    tidy: () => undefined,
    stop: () => endProcess(child),
  }
}

function portOf(set: RuleSet): number {
  return FIRST_PORT + RULE_SETS.indexOf(set)
}

function socketAddress(address: string, port: number): unknown {
  return { socket_address: { address, port_value: port } }
}

function listener(stage: Stage, set: RuleSet): unknown {
  return {
    name: `l${set.port}`,
    address: socketAddress(stage.node.v4, portOf(set)),
    filter_chains: [
      {
        filters: [
          {
            name: 'envoy.filters.network.http_connection_manager',
            typed_config: {
              '@type': `${TYPE}.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager`,
              stat_prefix: `l${set.port}`,
              generate_request_id: false,
              http_filters: [rbac(set), router()],
              route_config: {
                virtual_hosts: [
                  {
                    name: 'all',
                    domains: ['*'],
                    routes: [{ match: { prefix: '/' }, route: { cluster: `c${set.port}`, timeout: '0s' } }],
                  },
                ],
              },
            },
          },
        ],
      },
    ],
  }
}

function rbac({ paths, method = 'GET' }: RuleSet): unknown {
  const isMethod = { header: { name: ':method', string_match: { exact: method } } }
  const path = (regex: string): unknown => ({ url_path: { path: { safe_regex: { regex } } } })
  return {
    name: 'envoy.filters.http.rbac',
    typed_config: {
      '@type': `${TYPE}.extensions.filters.http.rbac.v3.RBAC`,
      rules: {
        action: 'ALLOW',
        policies: {
          paths: {
            permissions: [{ and_rules: { rules: [isMethod, { or_rules: { rules: paths.map(path) } }] } }],
            principals: [{ any: true }],
          },
        },
      },
    },
  }
}

function router(): unknown {
  return {
    name: 'envoy.filters.http.router',
    typed_config: {
      '@type': `${TYPE}.extensions.filters.http.router.v3.Router`,
      suppress_envoy_headers: true,
    },
  }
}

const HTTP2_UPSTREAM = {
  'envoy.extensions.upstreams.http.v3.HttpProtocolOptions': {
    '@type': `${TYPE}.extensions.upstreams.http.v3.HttpProtocolOptions`,
    explicit_http_config: { http2_protocol_options: {} },
  },
}

function cluster(stage: Stage, set: RuleSet): unknown {
  const threshold = { max_connections: 30_000, max_pending_requests: 30_000, max_requests: 30_000 }
  return {
    name: `c${set.port}`,
    connect_timeout: '5s',
    type: 'STATIC',
    circuit_breakers: { thresholds: [threshold] },
    ...(set.isHttp2 === true ? { typed_extension_protocol_options: HTTP2_UPSTREAM } : {}),
    load_assignment: {
      cluster_name: `c${set.port}`,
      endpoints: [{ lb_endpoints: [{ endpoint: { address: socketAddress(stage.server.v4, set.port) } }] }],
    },
  }
}
