// `weir policy trace`: what would become of a connection or a request, and why. Sends nothing.
import type { Command } from 'commander'
import type { TraceHttp__Output } from '../../gen/weir/v1/TraceHttp.ts'
import type { TraceKafka__Output } from '../../gen/weir/v1/TraceKafka.ts'
import type { TraceRequest__Output } from '../../gen/weir/v1/TraceRequest.ts'
import type { TraceResponse__Output } from '../../gen/weir/v1/TraceResponse.ts'
import type { EncodedSlash } from '../../lib/encoded-slash.ts'
import { WeirError } from '../../lib/errors.ts'
import { meets, type Expectation } from '../../lib/expectation.ts'
import type { ProtocolPort } from '../../lib/protocols.ts'
import { callAgent } from '../agent-call.ts'
import { encodedSlashFlag, expectFlag, fileFlag, integerFlag, portFlag } from '../options.ts'
import type { Rehearsal } from '../rehearsal.ts'
import { formatTrace } from '../trace-text.ts'
import { addReadOptions, exitWhenReaderLeaves, type CliIo, type ReadOptions } from './listing.ts'

interface TraceFlags extends ReadOptions {
  readonly from: string
  readonly to: string
  readonly port: ProtocolPort
  readonly http?: string
  readonly method?: string
  readonly path?: string
  readonly host?: string
  readonly header?: readonly string[]
  readonly pathEncodedSlash?: EncodedSlash
  readonly kafkaApiKey?: string
  readonly kafkaApiVersion?: number
  readonly kafkaClientId?: string
  readonly kafkaTopic?: readonly string[]
  readonly kafkaGroup?: string
  readonly kafkaTransactionalId?: string
  readonly endpoints?: string
  readonly policies?: readonly string[]
  readonly expect?: Expectation
}

const MAX_KAFKA_VERSION = 0x7fff
const ENDS =
  'endpoint, labels (app=web,tier=front), identity, address, or a reserved name such as world or host'
const collect = (value: string, previous: readonly string[] = []): string[] => [...previous, value]

export function addTraceCommand(policy: Command, rehearsal: Rehearsal, io: CliIo): void {
  const command = policy
    .command('trace')
    .description('say what would become of a connection or request, and why (docs/policy.md, "Trace")')
    .requiredOption('--from <who>', ENDS)
    .requiredOption('--to <who>', ENDS)
    .requiredOption('--port <port>', 'PORT[/PROTOCOL], TCP when none is named; of ICMP the type', portFlag)
    .option('--http <request>', "a request on the connection: 'METHOD PATH'")
    .option('--method <method>', 'its method (default: GET)')
    .option('--path <path>', 'its path, with query (default: /)')
    .option('--host <host>', 'its host (default: address or name of the destination)')
    .option('--header <header>', "a header: 'Name: value'; may be repeated", collect)
    .option('--path-encoded-slash <mode>', 'as weir run was told (default: keep)', encodedSlashFlag)
    .option('--kafka-api-key <api>', 'a Kafka request on the connection: produce, fetch, ..., or a number')
    .option(
      '--kafka-api-version <version>',
      'its version (default: 0)',
      integerFlag('--kafka-api-version', 0, MAX_KAFKA_VERSION),
    )
    .option('--kafka-client-id <id>', 'its client id (default: none)')
    .option('--kafka-topic <topic>', 'a topic that it names; may be repeated', collect)
    .option('--kafka-group <group>', 'the group that it names')
    .option('--kafka-transactional-id <id>', 'the transactional id that it names')
    .option('--endpoints <file>', 'ask these files instead of the agent', fileFlag('--endpoints'))
    .option('--policies <path>', 'with --endpoints: file or folder; may be repeated', collect)
    .option(
      '--expect <outcome>',
      'fail unless it comes out as allow, deny, redirect, dropped, 403, ...',
      expectFlag,
    )
  addReadOptions(command)
  command.action(async () => {
    exitWhenReaderLeaves(io)
    const flags = command.opts<TraceFlags>()
    const answer = await ask(flags, rehearsal)
    io.stdout.write(
      flags.output === 'json' ? `${JSON.stringify(answer, undefined, 2)}\n` : formatTrace(answer),
    )
    if (flags.expect !== undefined && !meets(answer.outcome, flags.expect)) {
      throw new WeirError('EXPECTATION_MISSED', `expected ${flags.expect}, got ${answer.outcome}`)
    }
  })
}

function ask(flags: TraceFlags, rehearsal: Rehearsal): Promise<TraceResponse__Output> {
  const request = requestOf(flags)
  const { stateDir, endpoints, policies } = flags
  if (endpoints !== undefined && policies !== undefined) {
    return rehearsal.traceOffline(request, { endpoints, policies })
  }
  if (endpoints !== undefined || policies !== undefined) {
    throw new WeirError('CONFIG_INVALID', 'one of --endpoints and --policies without the other', {
      mend: 'give both to ask files, none to ask the agent',
    })
  }
  return callAgent(stateDir, (client, options, done) => client.Trace(request, options, done))
}

function requestOf(flags: TraceFlags): TraceRequest__Output {
  const { from, to, port } = flags
  const http = httpOf(flags)
  const kafka = kafkaOf(flags)
  if (http !== null && kafka !== null) {
    throw new WeirError('CONFIG_INVALID', 'an HTTP and a Kafka request', { mend: 'trace one at a time' })
  }
  return { from, to, ...port, http, kafka }
}

/** null = none. */
function httpOf({
  http,
  method,
  path,
  host,
  header,
  pathEncodedSlash,
}: TraceFlags): TraceHttp__Output | null {
  const given = [http, method, path, host, header].some((flag) => flag !== undefined)
  if (!given) return null
  const [, firstMethod, firstPath, rest] = /^(\S+)\s+(\S+)(.*)$/.exec(http ?? 'GET /') ?? []
  if (firstMethod === undefined || firstPath === undefined || rest !== '') {
    throw new WeirError('CONFIG_INVALID', `--http ${JSON.stringify(http)} is not METHOD PATH`, {
      mend: "e.g. --http 'GET /v1/items'",
    })
  }
  return {
    method: method ?? firstMethod,
    path: path ?? firstPath,
    host: host ?? '',
    headers: [...(header ?? [])],
    encodedSlash: pathEncodedSlash ?? '',
  }
}

/** null = none. */
function kafkaOf(flags: TraceFlags): TraceKafka__Output | null {
  const { kafkaApiKey, kafkaApiVersion, kafkaClientId, kafkaTopic, kafkaGroup, kafkaTransactionalId } = flags
  const details = [kafkaApiVersion, kafkaClientId, kafkaTopic, kafkaGroup, kafkaTransactionalId]
  if (kafkaApiKey === undefined) {
    if (details.every((flag) => flag === undefined)) return null
    throw new WeirError('CONFIG_INVALID', 'a Kafka request without --kafka-api-key', {
      mend: 'e.g. --kafka-api-key produce',
    })
  }
  return {
    apiKey: kafkaApiKey,
    apiVersion: kafkaApiVersion ?? 0,
    clientId: kafkaClientId ?? '',
    topics: [...(kafkaTopic ?? [])],
    group: kafkaGroup ?? '',
    transactionalId: kafkaTransactionalId ?? '',
  }
}
