// Requests from the table, joined to pipelines and damaged a little: food for fuzzing and comparisons.
import { REQUEST_GROUPS } from './requests.ts'

/** Bytes on which parsers differ. */
const ODD_BYTES = '\r\n\t \0\x0b\x0c\x1f\x7f\x80\xa0\xff:;,=/?#%\\"_+-*0159afxAZ'
const ODD_PIECES = [
  '\r\n',
  '\n',
  '\r\r\n',
  '\r\n\r\n',
  '\r\n ',
  '0\r\n\r\n',
  'GET / HTTP/1.1\r\nHost: a\r\n\r\n',
  'Content-Length: 3\r\n',
  'Transfer-Encoding: chunked\r\n',
  'Host: a.example\r\n',
  'Connection: close\r\n',
  'Connection: upgrade\r\nUpgrade: websocket\r\n',
  'Expect: 100-continue\r\n',
  ' HTTP/1.0',
  'chunked',
  'POST /deny HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n',
]

const SHORT = Object.values(REQUEST_GROUPS)
  .flat()
  .filter(({ bytes }) => bytes.length < 500)
const ACCEPTED = SHORT.filter(({ result }) => result === 'accepted').map(({ bytes }) => bytes)
const ALL = SHORT.map(({ bytes }) => bytes)

/** 1 to 4 requests, most of them good, with up to 3 mutations. Latin-1. */
export function mutatedPipeline(random: () => number): string {
  const below = (limit: number): number => Math.floor(random() * limit)
  const oneOf = <T>(items: ArrayLike<T>): T => items[below(items.length)]!
  let bytes = ''
  for (let count = 1 + below(4); count > 0; count--) bytes += oneOf(random() < 0.8 ? ACCEPTED : ALL)
  return mutated(bytes, random)
}

/** Up to 3 mutations. */
export function mutated(good: string, random: () => number): string {
  const below = (limit: number): number => Math.floor(random() * limit)
  const oneOf = <T>(items: ArrayLike<T>): T => items[below(items.length)]!
  let bytes = good
  for (let count = below(4); count > 0; count--) {
    const at = below(bytes.length + 1)
    const end = Math.min(bytes.length, at + 1 + below(random() < 0.8 ? 2 : 40))
    switch (below(4)) {
      case 0:
        bytes = bytes.slice(0, at) + oneOf(ODD_BYTES) + bytes.slice(at)
        break
      case 1:
        bytes = bytes.slice(0, at) + oneOf(ODD_PIECES) + bytes.slice(at)
        break
      case 2:
        bytes = bytes.slice(0, at) + bytes.slice(end)
        break
      default:
        bytes = bytes.slice(0, end) + bytes.slice(at)
    }
  }
  return bytes
}
