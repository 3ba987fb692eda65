// A real Apache Kafka in a pod: one process, broker and controller (KRaft), on the addresses of the pod.
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { BRIEF_JVM, java, KAFKA_LIB, LOG } from './kafka-tools.ts'
import { type Pod } from './node-namespace.ts'
import { waitFor } from './wait.ts'

export const KAFKA_PORT = 9092
/** SASL PLAIN over IPv4, without TLS. */
export const KAFKA_SASL_PORT = 9094
const CONTROLLER_PORT = 9093
const START_TIMEOUT_MS = 90_000
const SMALL_JVM = [...BRIEF_JVM, '-Xms96m', '-Xmx256m']
/** A UUID in Kafka's base 64. */
const CLUSTER_ID = 'AAAAAAAAAAAAAAAAAAAAAQ'

export interface KafkaOptions {
  /** Folder of its own for configuration, data and log. */
  readonly directory: string
  /** Names and passwords for KAFKA_SASL_PORT. */
  readonly users?: Readonly<Record<string, string>>
  /** Of the JVM, instead of a small heap and little compilation. */
  readonly jvmFlags?: readonly string[]
  /** Of the broker, e.g. `taskset -c 1`. */
  readonly wrapper?: readonly string[]
  /** More of server.properties. */
  readonly properties?: Readonly<Record<string, string | number | boolean>>
}

export interface KafkaBroker {
  readonly pod: Pod
  readonly pid: number
  /** `ADDRESS:PORT` over IPv4, then over IPv6. Clients that come by one are told of it only. */
  readonly servers: readonly [string, string]
  logText(): string
  /** At once, connections or not. Without it the broker ends with its namespace. */
  stop(): Promise<void>
}

interface KafkaTest {
  fail(message: string): boolean
  comment(message: string): void
}

/** False where the set-up could not install Kafka. With CI=true that is a failure, otherwise a comment. */
export function canRunKafka(t: KafkaTest): boolean {
  if (existsSync(join(KAFKA_LIB, 'pom.sha256'))) return true
  const how = 'Kafka is not installed: `npm run setup -- --tests` says why'
  if (process.env['CI'] === 'true') t.fail(`${how}; with CI=true no test may be skipped`)
  else t.comment(`SKIPPED: ${how}`)
  return false
}

/** Resolves when it serves. */
export async function startKafka(pod: Pod, options: KafkaOptions): Promise<KafkaBroker> {
  const { directory, jvmFlags = SMALL_JVM, wrapper = [] } = options
  mkdirSync(directory, { recursive: true })
  const configuration = join(directory, 'server.properties')
  writeFileSync(configuration, configurationText(pod, options))
  const format = ['kafka.tools.StorageTool', 'format', '--standalone', '--cluster-id', CLUSTER_ID]
  await pod.exec(java([...format, '--config', configuration], BRIEF_JVM), { timeoutMs: START_TIMEOUT_MS })
  const log = join(directory, 'server.log')
  const logText = (): string => (existsSync(log) ? readFileSync(log, 'utf8') : '')
  // Who asks for a login is looked up by address, which takes five seconds where no name server answers.
  const names = '-Djdk.net.hosts.file=/etc/hosts'
  const logging = [`${LOG}.logFile=${log}`, `${LOG}.defaultLogLevel=info`]
  const command = java(['kafka.Kafka', configuration], [...jvmFlags, names, ...logging])
  const child = pod.spawn([...wrapper, ...command], { detached: true })
  let messages = ''
  for (const stream of [child.stdout, child.stderr])
    stream?.on('data', (chunk: Buffer) => (messages += chunk.toString()))
  const ended = new Promise<void>((resolve) => child.once('exit', () => resolve()))
  const isUp = (): boolean => logText().includes('Kafka Server started')
  const hasEnded = (): boolean => child.exitCode !== null || child.signalCode !== null
  await waitFor(() => isUp() || hasEnded(), {
    what: `Kafka in ${pod.name}`,
    timeoutMs: START_TIMEOUT_MS,
  }).catch((error: unknown) => {
    throw new Error(`${String(error)}\n${messages}\n${logText().slice(-4_000)}`)
  })
  if (!isUp()) throw new Error(`Kafka in ${pod.name} has ended\n${messages}\n${logText().slice(-4_000)}`)
  return {
    pod,
    pid: child.pid ?? -1,
    servers: [`${pod.v4}:${KAFKA_PORT}`, `[${pod.v6}]:${KAFKA_PORT}`],
    logText,
    stop() {
      // It keeps nothing that a clean end would save.
      child.kill('SIGKILL')
      return ended
    },
  }
}

function configurationText(pod: Pod, { directory, users, properties = {} }: KafkaOptions): string {
  const listeners = [`V4://${pod.v4}:${KAFKA_PORT}`, `V6://[${pod.v6}]:${KAFKA_PORT}`]
  if (users !== undefined) listeners.push(`SASL://${pod.v4}:${KAFKA_SASL_PORT}`)
  const logins = Object.entries(users ?? {}).map(([name, password]) => ` user_${name}="${password}"`)
  const settings: NonNullable<KafkaOptions['properties']> = {
    'process.roles': 'broker,controller',
    'node.id': 1,
    'controller.quorum.bootstrap.servers': `127.0.0.1:${CONTROLLER_PORT}`,
    'controller.listener.names': 'CONTROLLER',
    listeners: [...listeners, `CONTROLLER://127.0.0.1:${CONTROLLER_PORT}`].join(','),
    'advertised.listeners': listeners.join(','),
    'listener.security.protocol.map': 'V4:PLAINTEXT,V6:PLAINTEXT,SASL:SASL_PLAINTEXT,CONTROLLER:PLAINTEXT',
    'inter.broker.listener.name': 'V4',
    'sasl.enabled.mechanisms': 'PLAIN',
    'listener.name.sasl.plain.sasl.jaas.config': `org.apache.kafka.common.security.plain.PlainLoginModule required${logins.join('')};`,
    'log.dirs': join(directory, 'data'),
    'auto.create.topics.enable': false,
    // A single broker, and groups that begin at once.
    ...Object.fromEntries(
      ['offsets.topic', 'transaction.state.log', 'share.coordinator.state.topic'].flatMap((topic) => [
        [`${topic}.replication.factor`, 1],
        [`${topic}.num.partitions`, 1],
      ]),
    ),
    'transaction.state.log.min.isr': 1,
    'share.coordinator.state.topic.min.isr': 1,
    'group.initial.rebalance.delay.ms': 0,
    ...properties,
  }
  return Object.entries(settings)
    .map(([key, value]) => `${key}=${value}\n`)
    .join('')
}
