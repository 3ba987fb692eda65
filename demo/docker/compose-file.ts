// docker/compose.yaml, read for machines that have an engine without Compose: into arguments of `docker`. It knows what that
// file uses, and refuses everything else.
import { dirname, resolve } from 'node:path'
import { parse } from 'yaml'
import { z } from 'zod'
import { DemoError } from './engine.ts'

const words = z.array(z.string())
const serviceSchema = z.strictObject({
  image: z.string(),
  build: z
    .strictObject({ context: z.string(), dockerfile: z.string(), args: z.record(z.string(), z.string()) })
    .optional(),
  entrypoint: words.optional(),
  command: words.optional(),
  network_mode: z.string().optional(),
  pid: z.string().optional(),
  cap_drop: words.default([]),
  cap_add: words.default([]),
  security_opt: words.default([]),
  read_only: z.boolean().default(false),
  volumes: words.default([]),
  labels: z.record(z.string(), z.string()).default({}),
  networks: words.default([]),
  depends_on: z.record(z.string(), z.strictObject({ condition: z.literal('service_healthy') })).default({}),
  stop_signal: z.string().optional(),
  healthcheck: z
    .strictObject({ test: words, interval: z.string(), timeout: z.string(), retries: z.number() })
    .optional(),
})
const networkSchema = z.strictObject({
  enable_ipv6: z.boolean(),
  driver_opts: z.record(z.string(), z.string()),
  ipam: z.strictObject({ config: z.array(z.strictObject({ subnet: z.string() })) }),
})
const fileSchema = z.strictObject({
  name: z.string(),
  services: z.record(z.string(), serviceSchema),
  networks: z.record(z.string(), networkSchema),
  volumes: z.record(z.string(), z.strictObject({})),
})

export type ComposeFile = z.infer<typeof fileSchema>
export type Service = z.infer<typeof serviceSchema>

type Variables = Readonly<Record<string, string | undefined>>

/** @throws DemoError for what it does not know */
export function readComposeFile(text: string, variables: Variables): ComposeFile {
  const file = fileSchema.safeParse(interpolate(parse(text), variables))
  if (file.success) return file.data
  throw new DemoError(`docker/compose.yaml: ${z.prettifyError(file.error)}`)
}

/** In values only, as Compose does. */
function interpolate(value: unknown, variables: Variables): unknown {
  if (typeof value === 'string') return interpolateText(value, variables)
  if (Array.isArray(value)) return value.map((item) => interpolate(item, variables))
  if (typeof value !== 'object' || value === null) return value
  return Object.fromEntries(Object.entries(value).map(([key, item]) => [key, interpolate(item, variables)]))
}

function interpolateText(text: string, variables: Variables): string {
  return text.replace(/\$\{(\w+):-([^}]*)\}/g, (_, name: string, fallback: string) => {
    const value = variables[name]
    return value === undefined || value === '' ? fallback : value
  })
}

/** As Compose labels what is its own. */
export function projectLabel({ name }: ComposeFile): string {
  return `com.docker.compose.project=${name}`
}

export const serviceLabel = (service: string): string => `com.docker.compose.service=${service}`

export function networkArguments(file: ComposeFile, name: string): string[] {
  const network = file.networks[name]
  if (network === undefined) throw new DemoError(`docker/compose.yaml: no network ${name}`)
  return [
    ...['--label', projectLabel(file)],
    ...(network.enable_ipv6 ? ['--ipv6'] : []),
    ...network.ipam.config.flatMap(({ subnet }) => ['--subnet', subnet]),
    ...Object.entries(network.driver_opts).flatMap(([key, value]) => ['--opt', `${key}=${value}`]),
    `${file.name}_${name}`,
  ]
}

/** Of `docker run`, with the image, without the command. `path`: of the file. */
export function serviceArguments(file: ComposeFile, service: Service, path: string): string[] {
  const each = (flag: string, values: readonly string[]): string[] => values.flatMap((value) => [flag, value])
  const optional = (flag: string, value: string | undefined): string[] =>
    value === undefined ? [] : [flag, value]
  const { healthcheck, networks, entrypoint = [] } = service
  const [network] = networks
  return [
    ...optional('--network', network === undefined ? service.network_mode : `${file.name}_${network}`),
    ...optional('--pid', service.pid),
    ...each('--cap-drop', service.cap_drop),
    ...each('--cap-add', service.cap_add),
    ...each('--security-opt', service.security_opt),
    ...(service.read_only ? ['--read-only'] : []),
    ...each(
      '--volume',
      service.volumes.map((volume) => volumeOf(file, volume, path)),
    ),
    ...each(
      '--label',
      Object.entries(service.labels).map(([key, value]) => `${key}=${value}`),
    ),
    ...optional('--stop-signal', service.stop_signal),
    ...(healthcheck === undefined ? [] : healthArguments(healthcheck)),
    ...optional('--entrypoint', entrypoint[0]),
    service.image,
    ...entrypoint.slice(1),
  ]
}

function volumeOf(file: ComposeFile, volume: string, path: string): string {
  const [source = '', ...rest] = volume.split(':')
  const isNamed = source in file.volumes
  return [isNamed ? `${file.name}_${source}` : resolve(dirname(path), source), ...rest].join(':')
}

function healthArguments({
  test,
  interval,
  timeout,
  retries,
}: NonNullable<Service['healthcheck']>): string[] {
  const [kind, ...command] = test
  if (kind !== 'CMD') throw new DemoError(`docker/compose.yaml: healthcheck ${kind ?? ''} is not known`)
  const checks = ['--health-cmd', command.join(' '), '--health-interval', interval]
  return [...checks, '--health-timeout', timeout, '--health-retries', String(retries)]
}
