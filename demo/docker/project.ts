// The services of docker/compose.yaml: by Compose where it is there, otherwise by the engine alone.
import { readFileSync } from 'node:fs'
import { dirname, join, resolve } from 'node:path'
import { packageRoot } from '../../src/lib/paths.ts'
import { waitFor } from '../../test/helpers/wait.ts'
import {
  type ComposeFile,
  networkArguments,
  projectLabel,
  readComposeFile,
  serviceArguments,
  serviceLabel,
} from './compose-file.ts'
import { attempt, docker, run } from './engine.ts'

const PATH = join(packageRoot(), 'docker', 'compose.yaml')
const HEALTHY_MS = 120_000

export interface Project {
  /** How it is done, for people. */
  readonly by: string
  /** Resolves when all that have a health check are healthy. */
  up(): Promise<void>
  /** A command of the image of a service, in a container of its own with the service's rights. */
  once(service: string, command: readonly string[]): Promise<void>
  /** Containers, networks, volumes. */
  down(): Promise<void>
}

/** @param variables of the file, e.g. WEIR_IMAGE. @param isBuilt do not build images */
export async function findProject(
  variables: Readonly<Record<string, string>>,
  isBuilt: boolean,
): Promise<Project> {
  for (const command of [['docker', 'compose'], ['docker-compose']]) {
    const version = await attempt([...command, 'version', '--short']).catch(() => undefined)
    // Version 1 cannot give a container a writable /proc/sys.
    if (version?.code === 0 && /^v?[2-9]|^v?\d\d/.test(version.stdout)) {
      return new ComposeProject(command, version.stdout, variables, isBuilt)
    }
  }
  return new EngineProject(
    readComposeFile(readFileSync(PATH, 'utf8'), { ...process.env, ...variables }),
    isBuilt,
  )
}

/** The container of a service; '' = there is none that runs, or, with `--all`, none at all. */
export async function containerOf(service: string, flags: readonly string[] = []): Promise<string> {
  const filters = [labels().project, serviceLabel(service)].flatMap((label) => ['--filter', `label=${label}`])
  return docker('ps', '--quiet', ...flags, ...filters)
}

/** Something of the project is there. */
export async function hasLeftovers(): Promise<boolean> {
  const filter = `label=${labels().project}`
  const [containers, networks] = await Promise.all([
    docker('ps', '-aq', '--filter', filter),
    docker('network', 'ls', '-q', '--filter', filter),
  ])
  return containers !== '' || networks !== ''
}

function labels(): { readonly project: string } {
  return { project: projectLabel(readComposeFile(readFileSync(PATH, 'utf8'), {})) }
}

class ComposeProject implements Project {
  readonly by: string
  readonly #command: readonly string[]
  readonly #variables: Readonly<Record<string, string>>
  readonly #isBuilt: boolean

  constructor(
    command: readonly string[],
    version: string,
    variables: Readonly<Record<string, string>>,
    isBuilt: boolean,
  ) {
    this.by = `Compose ${version}`
    this.#command = [...command, '--file', PATH]
    this.#variables = variables
    this.#isBuilt = isBuilt
  }

  async up(): Promise<void> {
    await this.#run('up', '--detach', '--wait', this.#isBuilt ? '--no-build' : '--build')
  }

  async once(service: string, command: readonly string[]): Promise<void> {
    await this.#run('run', '--rm', '--no-deps', '-T', service, ...command)
  }

  async down(): Promise<void> {
    await this.#run('down', '--volumes', '--remove-orphans', '--timeout', '1')
  }

  #run(...args: string[]): Promise<string> {
    return run([...this.#command, ...args], this.#variables)
  }
}

class EngineProject implements Project {
  readonly by = 'the engine alone, for Compose 2 is not there'
  readonly #file: ComposeFile
  readonly #isBuilt: boolean

  constructor(file: ComposeFile, isBuilt: boolean) {
    this.#file = file
    this.#isBuilt = isBuilt
  }

  async up(): Promise<void> {
    const { services, networks } = this.#file
    if (!this.#isBuilt) await this.#build()
    for (const name of Object.keys(networks))
      await docker('network', 'create', ...networkArguments(this.#file, name))
    const started = new Set<string>()
    for (const name of Object.keys(services)) await this.#start(name, started)
  }

  async #build(): Promise<void> {
    for (const { image, build } of Object.values(this.#file.services)) {
      if (build === undefined) continue
      const context = resolve(dirname(PATH), build.context)
      const values = Object.entries(build.args).flatMap(([key, value]) => ['--build-arg', `${key}=${value}`])
      await docker('build', '--file', join(context, build.dockerfile), '--tag', image, ...values, context)
    }
  }

  /** After those that it depends on. */
  async #start(name: string, started: Set<string>): Promise<void> {
    const service = this.#file.services[name]
    if (service === undefined || started.has(name)) return
    started.add(name)
    for (const other of Object.keys(service.depends_on)) await this.#start(other, started)
    const container = `${this.#file.name}-${name}-1`
    const own = ['--name', container, '--label', projectLabel(this.#file), '--label', serviceLabel(name)]
    const command = [...serviceArguments(this.#file, service, PATH), ...(service.command ?? [])]
    await docker('run', '--detach', ...own, ...command)
    if (service.healthcheck !== undefined) await untilHealthy(container)
  }

  async once(name: string, command: readonly string[]): Promise<void> {
    const service = this.#file.services[name]
    if (service !== undefined)
      await docker('run', '--rm', ...serviceArguments(this.#file, service, PATH), ...command)
  }

  async down(): Promise<void> {
    const { name, networks, volumes } = this.#file
    const containers = await docker('ps', '-aq', '--filter', `label=${projectLabel(this.#file)}`)
    if (containers !== '') await docker('rm', '--force', ...containers.split('\n'))
    for (const network of Object.keys(networks))
      await attempt(['docker', 'network', 'rm', `${name}_${network}`])
    for (const volume of Object.keys(volumes))
      await attempt(['docker', 'volume', 'rm', '--force', `${name}_${volume}`])
  }
}

async function untilHealthy(container: string): Promise<void> {
  const health = (): Promise<string> => docker('inspect', '--format', '{{.State.Health.Status}}', container)
  await waitFor(async () => (await health()) === 'healthy', {
    what: `${container} to be healthy`,
    timeoutMs: HEALTHY_MS,
  }).catch(async (error: unknown) => {
    throw new Error(`${String(error)}\n${(await attempt(['docker', 'logs', container])).text}`)
  })
}
