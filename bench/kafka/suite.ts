// Every case through every proxy, in turn, in several rounds.
import { cpuMicrosOf, rssBytesOf, systemCpuMicros } from '../e2e/process-stats.ts'
import { type Measured } from '../e2e/statistics.ts'
import { launchWeir } from '../e2e/variants/weir.ts'
import { packageRoot } from '../../src/lib/paths.ts'
import { KAFKA_PORT } from '../../test/helpers/kafka-broker.ts'
import { createTopics, deleteTopics } from '../../test/helpers/kafkajs.ts'
import { type RunningProxy } from './running-proxy.ts'
import { haproxyAddress, startHaproxyTcp } from './haproxy.ts'
import { type Case, CASES, recordsOf } from './cases.ts'
import { applyLoad, produce } from './load.ts'
import { type Options, PROXIES, type Proxy } from './options.ts'
import { Stage } from './stage.ts'

/** null: does not apply. */
export interface Sample {
  readonly mbPerSecond: number | null
  readonly cpuUsPerMb: number | null
  readonly clientCpuUsPerMb: number | null
  readonly brokerCpuUsPerMb: number | null
  /** Of all cores: client, broker and kernel too. */
  readonly systemCpuUsPerMb: number | null
  readonly rssBytes: number | null
}

interface Variant {
  readonly name: Proxy
  readonly stage: Stage
  /** undefined: the kernel forwards. */
  readonly proxy: RunningProxy | undefined
}

/** Rules as an operator would write them. */
const RULES = [
  { role: 'produce', topic: topicOf('produce') },
  ...CASES.filter(({ does }) => does === 'consume').map(({ name }) => ({
    role: 'consume',
    topic: topicOf(name),
  })),
]

export function selectCases({ cases }: Options): readonly Case[] {
  return cases.length === 0 ? CASES : CASES.filter(({ name }) => cases.includes(name))
}

export async function runSuite(
  options: Options,
  say: (line: string) => void,
): Promise<readonly Measured<Sample>[]> {
  const variants: Variant[] = []
  const endAll = (): void => variants.forEach(({ stage }) => stage.destroy())
  const endNow = (): void => {
    endAll()
    process.exit(1)
  }
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.once(signal, endNow)
  const results = new Map<string, { case: string; proxy: string; samples: Sample[] }>()
  try {
    for (const name of PROXIES) {
      if (
        options.proxies.length > 0
          ? options.proxies.includes(name)
          : !options.isQuick || name !== 'weir-nolog'
      )
        variants.push(await startVariant(name, options))
    }
    const tests = selectCases(options)
    say('filling topics')
    for (const test of tests.filter(({ does }) => does === 'consume'))
      for (const { stage } of variants) await fillTopic(stage, test, recordsOf(test, options.seconds))
    for (let round = options.isQuick ? 0 : -1; round < options.rounds; round++) {
      say(round < 0 ? 'warming up' : `round ${round + 1} of ${options.rounds}`)
      for (const test of tests) {
        for (const variant of rotated(variants, Math.max(round, 0))) {
          const sample = await measure(variant, test, recordsOf(test, options.seconds))
          if (options.isVerbose) say(`${test.name} ${variant.name} ${JSON.stringify(sample)}`)
          if (round < 0) continue
          const key = `${test.name} ${variant.name}`
          if (!results.has(key)) results.set(key, { case: test.name, proxy: variant.name, samples: [] })
          results.get(key)!.samples.push(sample)
        }
      }
    }
  } finally {
    await Promise.all(variants.map(async ({ proxy }) => proxy?.stop()))
    endAll()
    for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.off(signal, endNow)
  }
  return [...results.values()].sort(
    (a, b) => PROXIES.indexOf(a.proxy as Proxy) - PROXIES.indexOf(b.proxy as Proxy),
  )
}

async function startVariant(name: Proxy, { nodeFlags }: Options): Promise<Variant> {
  const stage = await Stage.make(name, name === 'haproxy-tcp' ? haproxyAddress : undefined)
  try {
    if (name === 'direct') return { name, stage, proxy: undefined }
    if (name === 'haproxy-tcp') return { name, stage, proxy: await startHaproxyTcp(stage.node, stage.server) }
    const ports = [{ ports: [{ port: String(KAFKA_PORT), protocol: 'TCP' }], rules: { kafka: RULES } }]
    const hasAccessLog = name === 'weir'
    const proxy = await launchWeir(stage, { name, root: packageRoot(), hasAccessLog, nodeFlags, ports })
    return { name, stage, proxy }
  } catch (error) {
    stage.destroy()
    throw error
  }
}

/** Produced to each time anew, or filled once and consumed from its beginning. */
function topicOf(what: string): string {
  return `bench-${what}`
}

/** What will be consumed, produced within the server's pod, past any proxy. */
async function fillTopic({ broker, server, node }: Stage, test: Case, records: number): Promise<void> {
  const topic = topicOf(test.name)
  await createTopics(broker, { [topic]: 1 })
  await produce(server, test, { server: broker.servers[0], topic, records, workDir: node.workDir })
}

async function measure({ stage, proxy }: Variant, test: Case, records: number): Promise<Sample> {
  const { broker, client } = stage
  const isProduced = test.does === 'produce'
  const topic = topicOf(isProduced ? 'produce' : test.name)
  const load = { server: stage.address, topic, records, workDir: stage.node.workDir }
  if (isProduced) await createTopics(broker, { [topic]: 1 })
  const pid = proxy?.worker
  const cpuBefore = pid === undefined ? 0 : cpuMicrosOf(pid)
  const brokerBefore = cpuMicrosOf(broker.pid)
  const systemBefore = systemCpuMicros()
  const result = await applyLoad(client, test, load)
  const megabytes = (records * test.recordBytes) / 1e6
  const system = systemCpuMicros() - systemBefore
  const cpu = pid === undefined ? null : (cpuMicrosOf(pid) - cpuBefore) / megabytes
  const brokerCpu = cpuMicrosOf(broker.pid) - brokerBefore
  if (isProduced) await deleteTopics(broker, [topic])
  proxy?.tidy()
  return {
    mbPerSecond: megabytes / result.seconds,
    cpuUsPerMb: cpu,
    clientCpuUsPerMb: result.cpuUs / megabytes,
    brokerCpuUsPerMb: brokerCpu / megabytes,
    systemCpuUsPerMb: system / megabytes,
    rssBytes: pid === undefined ? null : rssBytesOf(pid),
  }
}

/** Nobody always comes first, or always after the same one. */
function rotated<T>(items: readonly T[], by: number): T[] {
  const start = by % items.length
  return [...items.slice(start), ...items.slice(0, start)]
}
