// UDP and ICMP echo of this process inside a namespace.
import dgram from 'node:dgram'
import net from 'node:net'
import koffi from 'koffi'
import { type Namespace } from './namespace.ts'
import { type Destination } from './tcp.ts'
import { PATIENCE_MS } from './wait.ts'

const AF_INET = 2
const AF_INET6 = 10
const SOCK_DGRAM_NONBLOCK_CLOEXEC = 2 | 0x800 | 0x8_0000
const IPPROTO_ICMP = 1
const IPPROTO_ICMPV6 = 58
const ICMP_ECHO = 8
const ICMPV6_ECHO_REQUEST = 128
const SOCKADDR_IN6_BYTES = 28

const libc = koffi.load('libc.so.6')
const socket = libc.func('int socket(int domain, int type, int protocol)') as (
  domain: number,
  type: number,
  protocol: number,
) => number
const bind = libc.func('int bind(int fd, const void *address, uint32_t bytes)') as (
  fd: number,
  address: Uint8Array,
  bytes: number,
) => number

const setsockopt = libc.func(
  'int setsockopt(int fd, int level, int option, const void *value, uint32_t bytes)',
) as (fd: number, level: number, option: number, value: Uint8Array, bytes: number) => number

export interface SocketOption {
  readonly level: number
  readonly option: number
  readonly value: Buffer
}

export interface DatagramOptions {
  /** Size of the payload; more than the MTU makes fragments. */
  readonly bytes?: number
  /** E.g. IP options, or extension headers of IPv6. */
  readonly socketOption?: SocketOption
}

/** Send back every datagram that reaches `port`, over IPv4 and IPv6. */
export function echoDatagrams(namespace: Namespace, port: number): dgram.Socket {
  const any = Buffer.alloc(SOCKADDR_IN6_BYTES)
  any.writeUInt16LE(AF_INET6, 0)
  any.writeUInt16BE(port, 2)
  const server = openSocket(namespace, AF_INET6, 0, (fd) => {
    if (bind(fd, any, any.length) !== 0) throw new Error(`bind to UDP port ${port}: errno ${koffi.errno()}`)
  })
  return server.on('message', (data, from) => server.send(data, from.port, from.address))
}

/** Does the datagram come back? */
export function hearsEcho(
  from: Namespace,
  to: Destination,
  timeoutMs = PATIENCE_MS,
  { bytes = 4, socketOption }: DatagramOptions = {},
): Promise<boolean> {
  const family = net.isIPv6(to.host) ? AF_INET6 : AF_INET
  const client = openSocket(from, family, 0, (fd) => {
    if (socketOption === undefined) return
    const { level, option, value } = socketOption
    if (setsockopt(fd, level, option, value, value.length) !== 0)
      throw new Error(`setsockopt ${level}, ${option}: errno ${koffi.errno()}`)
  })
  return exchange(client, Buffer.alloc(bytes, 'ping'), to, timeoutMs)
}

/** Does the address answer an ICMP echo request? */
export function answersPing(from: Namespace, host: string, timeoutMs = PATIENCE_MS): Promise<boolean> {
  // Ping sockets: the kernel fills in identifier and checksum.
  from.sysctl({ 'net.ipv4.ping_group_range': '0 2147483647' })
  const isIPv6 = net.isIPv6(host)
  const client = isIPv6 ? openSocket(from, AF_INET6, IPPROTO_ICMPV6) : openSocket(from, AF_INET, IPPROTO_ICMP)
  const request = Buffer.alloc(16)
  request[0] = isIPv6 ? ICMPV6_ECHO_REQUEST : ICMP_ECHO
  return exchange(client, request, { host, port: 1 }, timeoutMs)
}

function openSocket(
  namespace: Namespace,
  family: number,
  protocol: number,
  prepare: (fd: number) => void = () => undefined,
): dgram.Socket {
  const fd = namespace.enter(() => socket(family, SOCK_DGRAM_NONBLOCK_CLOEXEC, protocol))
  if (fd < 0) throw new Error(`socket of family ${family}, protocol ${protocol}: errno ${koffi.errno()}`)
  prepare(fd)
  const opened = dgram.createSocket(family === AF_INET6 ? 'udp6' : 'udp4')
  opened.bind({ fd })
  return opened
}

function exchange(client: dgram.Socket, data: Buffer, to: Destination, timeoutMs: number): Promise<boolean> {
  return new Promise((resolve) => {
    let isOver = false
    const finish = (isHeard: boolean): void => {
      if (isOver) return
      isOver = true
      clearTimeout(timer)
      client.close()
      resolve(isHeard)
    }
    // Timers come before events of sockets: an answer that is there counts, however late this process is.
    const timer = setTimeout(() => setImmediate(finish, false), timeoutMs)
    client.once('message', () => finish(true))
    client.once('error', () => finish(false))
    client.send(data, to.port, to.host)
  })
}
