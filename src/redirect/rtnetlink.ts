// Asking rtnetlink one question: cheap enough for what is looked at again and again. Devices and filters are those of
// this process's network namespace.
import koffi from 'koffi'
import { kernelError } from './libbpf.ts'

const AF_NETLINK = 16
const SOCK_RAW_CLOEXEC = 3 | 0x8_0000
const NETLINK_ROUTE = 0
const NLM_F_REQUEST = 1
const NETLINK_HEADER_BYTES = 16
const ATTRIBUTE_HEADER_BYTES = 4
const ATTRIBUTE_TYPE_MASK = 0x3fff
/** A link's statistics and options of all families fit. */
const ANSWER_BYTES = 32_768

type Call = (...args: unknown[]) => number

function declare(): Record<'socket' | 'send' | 'recv' | 'close', Call> {
  const libc = koffi.load(null)
  return {
    socket: libc.func('int socket(int domain, int type, int protocol)') as Call,
    send: libc.func('intptr_t send(int fd, const void *data, size_t size, int flags)') as Call,
    recv: libc.func('intptr_t recv(int fd, _Out_ uint8_t *data, size_t size, int flags)') as Call,
    close: libc.func('int close(int fd)') as Call,
  }
}

let declared: ReturnType<typeof declare> | undefined

/**
 * @param body what follows the netlink header
 * @returns what follows it in the answer; undefined when the answer is of another type, such as an error
 * @throws WeirError KERNEL_CALL_FAILED
 */
export function askRtnetlink(type: number, body: Buffer, answerType: number): Buffer | undefined {
  declared ??= declare()
  const fd = declared.socket(AF_NETLINK, SOCK_RAW_CLOEXEC, NETLINK_ROUTE)
  if (fd < 0) throw kernelError('open rtnetlink', koffi.errno())
  try {
    const request = Buffer.concat([Buffer.alloc(NETLINK_HEADER_BYTES), body])
    request.writeUInt32LE(request.length, 0)
    request.writeUInt16LE(type, 4)
    request.writeUInt16LE(NLM_F_REQUEST, 6)
    if (declared.send(fd, request, request.length, 0) < 0) throw kernelError('ask rtnetlink', koffi.errno())
    const answer = Buffer.alloc(ANSWER_BYTES)
    const bytes = declared.recv(fd, answer, answer.length, 0)
    if (bytes < 0) throw kernelError('read rtnetlink', koffi.errno())
    if (bytes < NETLINK_HEADER_BYTES || answer.readUInt16LE(4) !== answerType) return undefined
    return answer.subarray(NETLINK_HEADER_BYTES, bytes)
  } finally {
    declared.close(fd)
  }
}

/** Encode one attribute, padded to the next. */
export function attribute(type: number, value: Buffer): Buffer {
  const header = Buffer.alloc(ATTRIBUTE_HEADER_BYTES)
  header.writeUInt16LE(ATTRIBUTE_HEADER_BYTES + value.length, 0)
  header.writeUInt16LE(type, 2)
  return Buffer.concat([header, value, Buffer.alloc(-value.length & 3)])
}

/** The value of the first attribute of this type, in attributes that fill `bytes`. Shares its memory. */
export function findAttribute(bytes: Buffer, type: number): Buffer | undefined {
  let offset = 0
  while (offset + ATTRIBUTE_HEADER_BYTES <= bytes.length) {
    const length = bytes.readUInt16LE(offset)
    if (length < ATTRIBUTE_HEADER_BYTES) return undefined
    if ((bytes.readUInt16LE(offset + 2) & ATTRIBUTE_TYPE_MASK) === type)
      return bytes.subarray(offset + ATTRIBUTE_HEADER_BYTES, offset + length)
    offset += (length + 3) & ~3
  }
  return undefined
}
