// The clients that come with Kafka, each a Java process in a namespace.
import { join } from 'node:path'
import { packageRoot } from '../../src/lib/paths.ts'
import { type CommandOptions, type CommandResult } from './command.ts'
import { type Namespace } from './namespace.ts'

/** Made by scripts/lib/kafka.mjs. */
export const KAFKA_LIB = join(packageRoot(), 'test', 'fixtures', 'kafka', 'lib')
/** A slow machine starts several processes of Java at once. */
const TOOL_TIMEOUT_MS = 90_000
/** To start soon, not to run fast for long. */
export const BRIEF_JVM = ['-XX:TieredStopAtLevel=1', '-XX:+UseSerialGC', '-Xshare:auto']
/** Prefix of what the logger can be told. */
export const LOG = '-Dorg.slf4j.simpleLogger'

const TOOLS = {
  'console-consumer': 'org.apache.kafka.tools.consumer.ConsoleConsumer',
  'console-producer': 'org.apache.kafka.tools.ConsoleProducer',
  'console-share-consumer': 'org.apache.kafka.tools.consumer.ConsoleShareConsumer',
  'consumer-groups': 'org.apache.kafka.tools.consumer.group.ConsumerGroupCommand',
  'consumer-perf': 'org.apache.kafka.tools.ConsumerPerformance',
  'producer-perf': 'org.apache.kafka.tools.ProducerPerformance',
  topics: 'org.apache.kafka.tools.TopicCommand',
  'transactional-message-copier': 'org.apache.kafka.tools.TransactionalMessageCopier',
  transactions: 'org.apache.kafka.tools.TransactionsCommand',
} as const
export type KafkaTool = keyof typeof TOOLS

/** Log lines of WARN and above go to standard error, unless `flags` say otherwise. */
export function java(command: readonly string[], flags: readonly string[]): string[] {
  return ['java', `${LOG}.defaultLogLevel=warn`, ...flags, '-cp', join(KAFKA_LIB, '*'), ...command]
}

export function kafkaToolCommand(
  tool: KafkaTool,
  args: readonly string[],
  flags: readonly string[] = BRIEF_JVM,
): string[] {
  return java([TOOLS[tool], ...args], flags)
}

export interface ToolResult extends CommandResult {
  readonly out: string
  readonly timeMs: number
}

/** Never rejects for how the tool ends. */
export async function kafkaTool(
  from: Namespace,
  tool: KafkaTool,
  args: readonly string[],
  options: CommandOptions = {},
): Promise<ToolResult> {
  const startedMs = performance.now()
  const result = await from.exec(kafkaToolCommand(tool, args), {
    check: false,
    timeoutMs: TOOL_TIMEOUT_MS,
    ...options,
  })
  return { ...result, out: result.stdout.toString(), timeMs: performance.now() - startedMs }
}
