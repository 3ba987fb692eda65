// One question to rtnetlink and its answer, rtnetlink(7): cheap enough for every look, and always about the network
// namespace of this process. /sys/class/net would show the one that /sys was mounted in.
import koffi from 'koffi'
import { kernelError, lastErrno } from './libbpf.ts'

export const AF_NETLINK = 16
export const SOCK_RAW_CLOEXEC = 3 | 0x8_0000
export const NETLINK_ROUTE = 0
const NLMSG_ERROR = 2
const NLMSG_DONE = 3
const NLM_F_REQUEST = 1
const NLM_F_ACK = 4
const NLM_F_DUMP = 0x300
const HEADER_BYTES = 16
const ATTRIBUTE_HEADER_BYTES = 4
const ATTRIBUTE_TYPE_MASK = 0x3fff
/** The kernel fills at most 32 KiB of one read. */
const ANSWER_BYTES = 65_536

export interface NetlinkMessage {
  readonly type: number
  /** After the header: a struct of the family, then attributes. */
  readonly body: Buffer
}

export interface NetlinkRequest {
  /** RTM_GETLINK and the like. */
  readonly type: number
  /** Struct of the family; its size is a multiple of four. */
  readonly fixed: Buffer
  readonly attributes?: readonly (readonly [type: number, value: Buffer])[]
}

function declare(): Record<'socket' | 'send' | 'receive' | 'close', (...args: unknown[]) => number> {
  const libc = koffi.load(null)
  return {
    socket: libc.func('int socket(int domain, int type, int protocol)'),
    send: libc.func('intptr_t send(int fd, const void *data, size_t size, int flags)'),
    receive: libc.func('intptr_t recv(int fd, _Out_ uint8_t *data, size_t size, int flags)'),
    close: libc.func('int close(int fd)'),
  }
}

let declared: ReturnType<typeof declare> | undefined

/** The answer. `errno` instead when the kernel refused, e.g. ENODEV. @throws WeirError KERNEL_CALL_FAILED */
export function ask(request: NetlinkRequest): NetlinkMessage | { readonly errno: number } {
  return exchange(request, NLM_F_REQUEST, (receive) => {
    const [message] = receive()
    if (message === undefined) throw kernelError('read rtnetlink: no answer', 0)
    return message.type === NLMSG_ERROR ? { errno: -message.body.readInt32LE(0) } : message
  })
}

/** Ask for a change. @returns errno, 0 = done. @throws WeirError KERNEL_CALL_FAILED */
export function change(request: NetlinkRequest): number {
  return exchange(request, NLM_F_REQUEST | NLM_F_ACK, (receive) => -(receive()[0]?.body.readInt32LE(0) ?? 0))
}

/** All of a kind. @throws WeirError KERNEL_CALL_FAILED */
export function dump(request: NetlinkRequest): NetlinkMessage[] {
  return exchange(request, NLM_F_REQUEST | NLM_F_DUMP, (receive) => {
    const all: NetlinkMessage[] = []
    for (;;) {
      for (const message of receive()) {
        if (message.type === NLMSG_DONE) return all
        if (message.type === NLMSG_ERROR) throw kernelError('dump by rtnetlink', message.body.readInt32LE(0))
        all.push(message)
      }
    }
  })
}

function exchange<T>(
  request: NetlinkRequest,
  flags: number,
  read: (receive: () => NetlinkMessage[]) => T,
): T {
  declared ??= declare()
  const { socket, send, receive, close } = declared
  const fd = socket(AF_NETLINK, SOCK_RAW_CLOEXEC, NETLINK_ROUTE)
  if (fd < 0) throw kernelError('open rtnetlink', lastErrno())
  const buffer = Buffer.alloc(ANSWER_BYTES)
  try {
    const bytes = encode(request, flags)
    if (send(fd, bytes, bytes.length, 0) < 0) throw kernelError('ask rtnetlink', lastErrno())
    return read(() => {
      const length = receive(fd, buffer, buffer.length, 0)
      if (length < 0) throw kernelError('read rtnetlink', lastErrno())
      return decodeMessages(Buffer.from(buffer.subarray(0, length)))
    })
  } finally {
    close(fd)
  }
}

function encode({ type, fixed, attributes = [] }: NetlinkRequest, flags: number): Buffer {
  const header = Buffer.alloc(HEADER_BYTES)
  const message = Buffer.concat([header, fixed, ...attributes.map(([kind, value]) => attribute(kind, value))])
  message.writeUInt32LE(message.length, 0)
  message.writeUInt16LE(type, 4)
  message.writeUInt16LE(flags, 6)
  return message
}

function attribute(type: number, value: Buffer): Buffer {
  const bytes = Buffer.alloc(aligned(ATTRIBUTE_HEADER_BYTES + value.length))
  bytes.writeUInt16LE(ATTRIBUTE_HEADER_BYTES + value.length, 0)
  bytes.writeUInt16LE(type, 2)
  value.copy(bytes, ATTRIBUTE_HEADER_BYTES)
  return bytes
}

/** All that one read has brought. The last one may be cut off. */
export function decodeMessages(bytes: Buffer): NetlinkMessage[] {
  const messages: NetlinkMessage[] = []
  let offset = 0
  while (offset + HEADER_BYTES <= bytes.length) {
    const length = bytes.readUInt32LE(offset)
    if (length < HEADER_BYTES) break
    messages.push({
      type: bytes.readUInt16LE(offset + 4),
      body: bytes.subarray(offset + HEADER_BYTES, offset + length),
    })
    offset += aligned(length)
  }
  return messages
}

/** Attributes behind a struct of `fixedBytes`. Of several with one type the last counts. */
export function attributesOf(body: Buffer, fixedBytes: number): Map<number, Buffer> {
  const attributes = new Map<number, Buffer>()
  let offset = fixedBytes
  while (offset + ATTRIBUTE_HEADER_BYTES <= body.length) {
    const length = body.readUInt16LE(offset)
    if (length < ATTRIBUTE_HEADER_BYTES) break
    const type = body.readUInt16LE(offset + 2) & ATTRIBUTE_TYPE_MASK
    attributes.set(type, body.subarray(offset + ATTRIBUTE_HEADER_BYTES, offset + length))
    offset += aligned(length)
  }
  return attributes
}

function aligned(bytes: number): number {
  return (bytes + 3) & ~3
}
