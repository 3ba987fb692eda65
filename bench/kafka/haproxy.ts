// HAProxy in tcp mode between client and broker: what a proxy costs that looks at nothing, and copies nothing where it can.
import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { KAFKA_PORT } from '../../test/helpers/kafka-broker.ts'
import { type NodeNamespace, type Pod } from '../../test/helpers/node-namespace.ts'
import { canDial } from '../../test/helpers/tcp.ts'
import { endProcess, untilUp } from '../e2e/child.ts'
import { onOthersCore, pinProxy } from '../e2e/pinning.ts'
import { type RunningProxy } from './running-proxy.ts'

/** Where clients reach the broker through it; the broker has to advertise that. */
export function haproxyAddress(node: NodeNamespace): string {
  return `${node.v4}:${KAFKA_PORT}`
}

export async function startHaproxyTcp(node: NodeNamespace, server: Pod): Promise<RunningProxy> {
  const directory = join(node.workDir, 'haproxy')
  mkdirSync(directory, { recursive: true })
  const file = join(directory, 'haproxy.cfg')
  writeFileSync(file, configurationText(node, server))
  const child = node.spawn(onOthersCore(['haproxy', '-db', '-f', file]), { detached: true })
  await untilUp(child, 'haproxy', () => canDial(node, { host: node.v4, port: KAFKA_PORT }))
  const pid = child.pid!
  pinProxy(pid)
  return { worker: pid, tidy: () => undefined, stop: () => endProcess(child) }
}

function configurationText(node: NodeNamespace, server: Pod): string {
  return `
global
  nbthread 1
  maxconn 1000
defaults
  mode tcp
  timeout connect 10s
  timeout client 1h
  timeout server 1h
  option splice-auto
listen kafka
  bind ${haproxyAddress(node)}
  server broker ${server.v4}:${KAFKA_PORT}
`
}
