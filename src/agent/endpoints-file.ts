// The endpoints file on disk: read, watched, and the last good version kept while a newer one is broken.
import { stat } from 'node:fs/promises'
import { dirname } from 'node:path'
import { errorMessage, WeirError } from '../lib/errors.ts'
import { formatProblems } from '../policy/problem.ts'
import { parseEndpoints, type EndpointSpec } from './endpoints-document.ts'
import { FileWatch } from './file-watch.ts'
import { readTextFile } from './text-file.ts'

export { parseEndpoints, type EndpointSpec, type ParsedEndpoints } from './endpoints-document.ts'

export interface EndpointsState {
  readonly file: string
  /** `stale`: the file is broken and `endpoints` are those of its last good version. */
  readonly state: 'ok' | 'stale'
  /** Of all problems, one per line; undefined when ok. */
  readonly error: string | undefined
  /** In force. */
  readonly endpoints: readonly EndpointSpec[]
}

/** @throws WeirError ENDPOINTS_INVALID naming every problem with file, line and mend. */
export async function readEndpointsFile(path: string): Promise<readonly EndpointSpec[]> {
  const text = await readText(path)
  const { endpoints, problems } = parseEndpoints(text, path)
  if (problems.length > 0) throw new WeirError('ENDPOINTS_INVALID', formatProblems(problems))
  return endpoints
}

export interface WatchOptions {
  readonly settleMs?: number
  readonly pollMs?: number
}

/**
 * Read the file and go on watching it. `onChange` is called after each change of the state, not for the first.
 * @throws WeirError ENDPOINTS_INVALID when the file is missing or broken at the start.
 */
export async function watchEndpointsFile(
  path: string,
  onChange: (state: EndpointsState) => void,
  options: WatchOptions = {},
): Promise<EndpointsFile> {
  // Before reading: a change in between is then seen as one.
  const signature = await fileSignature(path)
  const endpoints = await readEndpointsFile(path)
  return new EndpointsFile(path, endpoints, signature, onChange, options)
}

export class EndpointsFile {
  readonly #watch: FileWatch
  readonly #onChange: (state: EndpointsState) => void
  #state: EndpointsState

  constructor(
    path: string,
    endpoints: readonly EndpointSpec[],
    signature: string,
    onChange: (state: EndpointsState) => void,
    options: WatchOptions,
  ) {
    this.#state = { file: path, state: 'ok', error: undefined, endpoints }
    this.#onChange = onChange
    this.#watch = new FileWatch(
      {
        ...options,
        folder: dirname(path),
        signature: () => fileSignature(path),
        onChange: () => this.#reread(),
      },
      signature,
    )
  }

  get state(): EndpointsState {
    return this.#state
  }

  close(): void {
    this.#watch.close()
  }

  async #reread(): Promise<void> {
    const { file, endpoints: inForce } = this.#state
    try {
      const endpoints = await readEndpointsFile(file)
      this.#state = { file, state: 'ok', error: undefined, endpoints }
    } catch (thrown) {
      this.#state = { file, state: 'stale', error: errorMessage(thrown), endpoints: inForce }
    }
    this.#onChange(this.#state)
  }
}

async function readText(path: string): Promise<string> {
  try {
    return await readTextFile(path)
  } catch (cause) {
    throw new WeirError('ENDPOINTS_INVALID', `read endpoints file ${path}: ${errorMessage(cause)}`, {
      cause,
      mend: 'create the file, or name another one with --endpoints',
    })
  }
}

async function fileSignature(path: string): Promise<string> {
  try {
    const { ino, size, mtimeNs, ctimeNs } = await stat(path, { bigint: true })
    return [ino, size, mtimeNs, ctimeNs].join(' ')
  } catch (error) {
    return errorMessage(error)
  }
}
