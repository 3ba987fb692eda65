// One way from the client to the server.
import { type Pod } from '../../../test/helpers/node-namespace.ts'
import { type Load } from '../cases.ts'

export interface Variant {
  readonly name: string
  /** Where the load comes from. */
  readonly client: Pod
  /** For files of the load. */
  readonly workDir: string
  /** Processes whose CPU time and memory count; none without a proxy. */
  readonly pids: readonly number[]
  /** False: it enforces nothing that this load would meet. */
  canDo(load: Load): boolean
  /** Where the client connects to. */
  targetOf(load: Load): { readonly host: string; readonly port: number }
  /** Idle for so long, it has given back what memory it will. */
  readonly restMs: number
  /** After each run, e.g. to empty a log. */
  tidy(): void
  stop(): Promise<void>
}
