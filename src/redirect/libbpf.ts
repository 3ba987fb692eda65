// The distribution's libbpf.so.1 and the few libc calls of the kernel half, through koffi.
import koffi from 'koffi'
import { constants } from 'node:os'
import { WeirError } from '../lib/errors.ts'

/** An opaque pointer that libbpf handed out. */
export type Pointer = bigint & { readonly __pointer?: never }

koffi.struct('bpf_object_open_opts', {
  sz: 'size_t',
  object_name: 'const char *',
  relaxed_maps: 'bool',
  pin_root_path: 'const char *',
  reserved: 'uint32_t',
  kconfig: 'const char *',
  btf_custom_path: 'const char *',
  kernel_log_buf: 'void *',
  kernel_log_size: 'size_t',
  kernel_log_level: 'uint32_t',
})
koffi.struct('bpf_map_create_opts', {
  sz: 'size_t',
  btf_fd: 'uint32_t',
  btf_key_type_id: 'uint32_t',
  btf_value_type_id: 'uint32_t',
  btf_vmlinux_value_type_id: 'uint32_t',
  inner_map_fd: 'uint32_t',
  map_flags: 'uint32_t',
  map_extra: 'uint64_t',
  numa_node: 'uint32_t',
  map_ifindex: 'uint32_t',
})
koffi.struct('bpf_tc_hook', {
  sz: 'size_t',
  ifindex: 'int',
  attach_point: 'uint32_t',
  parent: 'uint32_t',
})
koffi.struct('bpf_tc_opts', {
  sz: 'size_t',
  prog_fd: 'int',
  flags: 'uint32_t',
  prog_id: 'uint32_t',
  handle: 'uint32_t',
  priority: 'uint32_t',
})
const sampleCallback = koffi.proto('int weir_ring_sample(void *ctx, void *data, size_t size)')

export interface TcHook {
  sz: number
  ifindex: number
  attach_point: number
  parent: number
}
export interface TcOptions {
  sz: number
  prog_fd: number
  flags: number
  prog_id: number
  handle: number
  priority: number
}
export const TC_HOOK_BYTES = koffi.sizeof('bpf_tc_hook')
export const TC_OPTIONS_BYTES = koffi.sizeof('bpf_tc_opts')
export const OPEN_OPTIONS_BYTES = koffi.sizeof('bpf_object_open_opts')
export const MAP_CREATE_OPTIONS_BYTES = koffi.sizeof('bpf_map_create_opts')

function declare() {
  let library
  try {
    library = koffi.load('libbpf.so.1')
  } catch (error) {
    throw new WeirError('KERNEL_UNSUPPORTED', 'load libbpf.so.1: the library is missing', {
      cause: error,
      mend: 'install it: apt-get install libbpf1',
    })
  }
  const libc = koffi.load(null)
  const bpf = {
    setPrint: library.func('void *libbpf_set_print(void *)'),
    objectOpenFile: library.func(
      'void *bpf_object__open_file(const char *path, const bpf_object_open_opts *opts)',
    ),
    objectLoad: library.func('int bpf_object__load(void *obj)'),
    objectClose: library.func('void bpf_object__close(void *obj)'),
    objectFindMap: library.func('void *bpf_object__find_map_by_name(void *obj, const char *name)'),
    objectFindProgram: library.func('void *bpf_object__find_program_by_name(void *obj, const char *name)'),
    mapFd: library.func('int bpf_map__fd(void *map)'),
    mapSetInitialValue: library.func(
      'int bpf_map__set_initial_value(void *map, const void *data, size_t size)',
    ),
    programFd: library.func('int bpf_program__fd(void *prog)'),
    programAttachNetns: library.func('void *bpf_program__attach_netns(void *prog, int netns_fd)'),
    linkDestroy: library.func('int bpf_link__destroy(void *link)'),
    linkPin: library.func('int bpf_link__pin(void *link, const char *path)'),
    linkUpdate: library.func('int bpf_link_update(int link_fd, int prog_fd, void *opts)'),
    mapCreate: library.func(
      'int bpf_map_create(int type, const char *name, uint32_t key_size, uint32_t value_size, uint32_t max_entries, const bpf_map_create_opts *opts)',
    ),
    mapLookup: library.func('int bpf_map_lookup_elem(int fd, const void *key, _Out_ uint8_t *value)'),
    mapTake: library.func('int bpf_map_lookup_and_delete_elem(int fd, uintptr_t key, uintptr_t value)'),
    mapUpdate: library.func(
      'int bpf_map_update_elem(int fd, const void *key, const void *value, uint64_t flags)',
    ),
    mapUpdateBatch: library.func(
      'int bpf_map_update_batch(int fd, const void *keys, const void *values, _Inout_ uint32_t *count, void *opts)',
    ),
    mapDelete: library.func('int bpf_map_delete_elem(int fd, const void *key)'),
    mapNextKey: library.func('int bpf_map_get_next_key(int fd, const void *key, void *next)'),
    mapFdById: library.func('int bpf_map_get_fd_by_id(uint32_t id)'),
    programFdById: library.func('int bpf_prog_get_fd_by_id(uint32_t id)'),
    infoByFd: library.func('int bpf_obj_get_info_by_fd(int fd, void *info, _Inout_ uint32_t *size)'),
    pin: library.func('int bpf_obj_pin(int fd, const char *path)'),
    get: library.func('int bpf_obj_get(const char *path)'),
    tcHookCreate: library.func('int bpf_tc_hook_create(_Inout_ bpf_tc_hook *hook)'),
    tcHookDestroy: library.func('int bpf_tc_hook_destroy(_Inout_ bpf_tc_hook *hook)'),
    tcAttach: library.func('int bpf_tc_attach(const bpf_tc_hook *hook, _Inout_ bpf_tc_opts *opts)'),
    tcDetach: library.func('int bpf_tc_detach(const bpf_tc_hook *hook, const bpf_tc_opts *opts)'),
    ringBufferNew: library.func(
      'void *ring_buffer__new(int map_fd, weir_ring_sample *callback, void *ctx, void *opts)',
    ),
    ringBufferConsume: library.func('int ring_buffer__consume(void *ring)'),
    ringBufferFree: library.func('void ring_buffer__free(void *ring)'),
    interfaceIndex: libc.func('uint32_t if_nametoindex(const char *name)'),
    close: libc.func('int close(int fd)'),
  }
  // Its chatter on standard error ("Exclusivity flag on") repeats what the return values say.
  bpf.setPrint(null)
  return bpf
}

let declared: ReturnType<typeof declare> | undefined

/** The functions, declared at first use. @throws WeirError KERNEL_UNSUPPORTED when libbpf is missing. */
export function libbpf(): ReturnType<typeof declare> {
  declared ??= declare()
  return declared
}

/** Address of the first byte, for parameters of type uintptr_t. Keep the buffer referenced while it is in use. */
export function addressOf(buffer: Uint8Array): number {
  return Number(koffi.address(buffer)) // exact: user space ends below 2^53
}

/** Register a ring buffer callback; the returned pointer stays valid for the life of the process. */
export function ringSampleCallback(handler: (data: Uint8Array) => void): Pointer {
  const callback = (_ctx: unknown, data: Pointer, size: number): number => {
    handler(koffi.decode(data, koffi.array('uint8_t', size, 'Typed')) as Uint8Array)
    return 0
  }
  return koffi.register(callback, koffi.pointer(sampleCallback))
}

const ERRNO_NAMES = new Map(Object.entries(constants.errno).map(([name, number]) => [number, name]))

/** errno of the libbpf call that just failed. Must be read before any other FFI call. */
export function lastErrno(): number {
  return koffi.errno()
}

export function errnoName(errno: number): string {
  return ERRNO_NAMES.get(Math.abs(errno)) ?? `errno ${Math.abs(errno)}`
}

export const EPERM = constants.errno.EPERM
export const ENOENT = constants.errno.ENOENT
export const EEXIST = constants.errno.EEXIST
export const ENOSPC = constants.errno.ENOSPC
export const E2BIG = constants.errno.E2BIG
export const EINVAL = constants.errno.EINVAL
export const ENODEV = constants.errno.ENODEV

/** The error for a failed call, with a mend where the errno tells one. */
export function kernelError(operation: string, errno: number): WeirError {
  const text = `${operation}: ${errnoName(errno)}`
  if (Math.abs(errno) === EPERM) {
    return new WeirError('NOT_PRIVILEGED', text, {
      mend: 'run as root, with CAP_NET_ADMIN and CAP_BPF',
    })
  }
  return new WeirError('KERNEL_CALL_FAILED', text)
}

/** Throw unless `result` is >= 0. libbpf 1.x returns -errno. */
export function check(operation: string, result: number): number {
  if (result < 0) throw kernelError(operation, result)
  return result
}
