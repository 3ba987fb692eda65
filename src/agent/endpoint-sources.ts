// Where endpoints come from: a file, a container engine, or both. What the file says goes first.
import type { Logger } from '../lib/log.ts'
import type { UnenforceableContainer } from './docker/container-endpoints.ts'
import { DockerSource, type DockerState } from './docker/docker-source.ts'
import {
  type EndpointsFile,
  type EndpointSpec,
  type EndpointsState,
  watchEndpointsFile,
} from './endpoints-file.ts'

export interface EndpointSourcesOptions {
  /** undefined = none. */
  readonly endpointsFile: string | undefined
  /** Socket of a Docker engine; undefined = none. */
  readonly dockerSocket: string | undefined
  readonly onChange: () => void
  readonly log: Logger
}

export class EndpointSources {
  readonly #file: EndpointsFile | undefined
  readonly #docker: DockerSource | undefined

  private constructor(file: EndpointsFile | undefined, docker: DockerSource | undefined) {
    this.#file = file
    this.#docker = docker
  }

  /** @throws WeirError ENDPOINTS_INVALID, DOCKER_UNREACHABLE, DOCKER_UNSUPPORTED */
  static async open(options: EndpointSourcesOptions): Promise<EndpointSources> {
    const { endpointsFile, dockerSocket, onChange, log } = options
    const file =
      endpointsFile === undefined ? undefined : await watchEndpointsFile(endpointsFile, () => onChange())
    try {
      const docker =
        dockerSocket === undefined
          ? undefined
          : await DockerSource.open({ socket: dockerSocket, onChange, log })
      return new EndpointSources(file, docker)
    } catch (error) {
      file?.close()
      throw error
    }
  }

  endpoints(): readonly EndpointSpec[] {
    const named = this.#file?.state.endpoints ?? []
    return [...named, ...(this.#docker?.containers(named).endpoints ?? [])]
  }

  /** Containers that cannot be endpoints, and why. */
  unenforceable(): readonly UnenforceableContainer[] {
    return this.#docker?.containers(this.#file?.state.endpoints ?? []).unenforceable ?? []
  }

  get fileState(): EndpointsState | undefined {
    return this.#file?.state
  }

  get dockerState(): DockerState | undefined {
    return this.#docker?.state
  }

  /** Container ports of bridges that no source has anything to do with; undefined = none is to be closed anyway. */
  get elsewhere(): readonly number[] | undefined {
    return this.#docker?.elsewhere
  }

  linksChanged(): void {
    this.#docker?.linksChanged()
  }

  /** Look again at what no event tells of. */
  async refresh(): Promise<void> {
    await this.#docker?.refresh()
  }

  async close(): Promise<void> {
    this.#file?.close()
    await this.#docker?.close()
  }
}
