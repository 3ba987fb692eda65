// Opening, configuring and loading one compiled BPF object. Maps are shared by pinning.
import { join } from 'node:path'
import { WeirError } from '../lib/errors.ts'
import { packageRoot } from '../lib/paths.ts'
import {
  EINVAL,
  ENOENT,
  EPERM,
  kernelError,
  lastErrno,
  libbpf,
  OPEN_OPTIONS_BYTES,
  type Pointer,
} from './libbpf.ts'

const VERIFIER_LOG_BYTES = 1 << 20
const VERIFIER_LOG_TAIL_LINES = 12

export type BpfObjectName = 'tc_endpoint' | 'tc_redirect' | 'sk_lookup_steer'

export interface LoadOptions {
  readonly bpffsDir: string
  /** Bytes for the `.rodata.config` section: the constants of this instance of the template. */
  readonly config?: Buffer
}

export class BpfObject {
  readonly name: BpfObjectName
  private readonly object: Pointer

  private constructor(name: BpfObjectName, object: Pointer) {
    this.name = name
    this.object = object
  }

  /**
   * Open, write constants, load into the kernel. Maps are created at `bpffsDir` or reused from there.
   * @throws WeirError KERNEL_UNSUPPORTED (verifier, feature), LAYOUT_MISMATCH, NOT_PRIVILEGED
   */
  static load(name: BpfObjectName, options: LoadOptions): BpfObject {
    const object = BpfObject.open(name, options, null)
    const result = libbpf().objectLoad(object.object) as number
    if (result === 0) return object
    object.close()
    throw loadError(name, options, result)
  }

  private static open(name: BpfObjectName, options: LoadOptions, log: Buffer | null): BpfObject {
    const path = join(packageRoot(), 'dist', 'bpf', `${name}.bpf.o`)
    const pointer = libbpf().objectOpenFile(path, {
      sz: OPEN_OPTIONS_BYTES,
      object_name: null,
      relaxed_maps: false,
      pin_root_path: options.bpffsDir,
      reserved: 0,
      kconfig: null,
      btf_custom_path: null,
      kernel_log_buf: log,
      kernel_log_size: log?.length ?? 0,
      kernel_log_level: log === null ? 0 : 1,
    }) as Pointer | null
    if (pointer === null) {
      const errno = lastErrno()
      if (errno === ENOENT) {
        throw new WeirError('KERNEL_UNSUPPORTED', `open ${path}: the BPF object is missing`, {
          mend: 'build it: npm run build',
        })
      }
      throw kernelError(`open ${path}`, errno)
    }
    const object = new BpfObject(name, pointer)
    if (options.config !== undefined) {
      const section = libbpf().objectFindMap(pointer, '.rodata.config') as Pointer | null
      const result =
        section === null
          ? -ENOENT
          : (libbpf().mapSetInitialValue(section, options.config, options.config.length) as number)
      if (result < 0) {
        object.close()
        throw kernelError(`write constants of ${name}`, result)
      }
    }
    return object
  }

  /** Load again with a log buffer: the verifier's last lines are what a bug report needs. */
  static verifierLog(name: BpfObjectName, options: LoadOptions): string {
    const log = Buffer.alloc(VERIFIER_LOG_BYTES)
    const object = BpfObject.open(name, options, log)
    libbpf().objectLoad(object.object)
    object.close()
    const end = log.indexOf(0)
    const lines = log
      .toString('latin1', 0, end < 0 ? log.length : end)
      .trim()
      .split('\n')
    const omitted = Math.max(0, lines.length - VERIFIER_LOG_TAIL_LINES)
    return (omitted > 0 ? `(${omitted} lines omitted)\n` : '') + lines.slice(omitted).join('\n')
  }

  /** @returns file descriptor, valid until `close`. */
  programFd(name: string): number {
    return libbpf().programFd(this.program(name)) as number
  }

  program(name: string): Pointer {
    const program = libbpf().objectFindProgram(this.object, name) as Pointer | null
    if (program === null) throw kernelError(`find program ${name} in ${this.name}`, ENOENT)
    return program
  }

  /** Frees this process's handles; attached programs and pinned maps stay. */
  close(): void {
    libbpf().objectClose(this.object)
  }
}

function loadError(name: BpfObjectName, options: LoadOptions, result: number): WeirError {
  if (result === -EPERM) return kernelError(`load BPF object ${name}`, result)
  const log = BpfObject.verifierLog(name, options)
  if (result === -EINVAL && log === '') {
    return new WeirError(
      'LAYOUT_MISMATCH',
      `load BPF object ${name}: maps pinned in ${options.bpffsDir} have another layout`,
      {
        mend: 'another version of Weir made them: run `weir cleanup` of that version, or of this one, then start again',
      },
    )
  }
  return new WeirError(
    'KERNEL_UNSUPPORTED',
    `load BPF object ${name}: ${kernelError('', result).message}\n${log}`,
  )
}
