// Entries of a ZIP archive, such as a jar. No ZIP64, no encryption.
import { readFileSync } from 'node:fs'
import { inflateRawSync } from 'node:zlib'

const END_SIGNATURE = 0x06054b50
const DEFLATED = 8

/** @returns name and content of each entry that `wants`. */
export function readZip(file: string, wants: (name: string) => boolean): Map<string, Buffer> {
  const b = readFileSync(file)
  let end = b.length - 22
  while (b.readUInt32LE(end) !== END_SIGNATURE) end--
  const entries = new Map<string, Buffer>()
  let at = b.readUInt32LE(end + 16)
  for (let left = b.readUInt16LE(end + 10); left > 0; left--) {
    const method = b.readUInt16LE(at + 10)
    const size = b.readUInt32LE(at + 20)
    const [nameBytes, extraBytes, commentBytes] = [28, 30, 32].map((offset) => b.readUInt16LE(at + offset))
    const name = b.toString('utf8', at + 46, at + 46 + nameBytes!)
    if (wants(name)) {
      const local = b.readUInt32LE(at + 42)
      const data = local + 30 + b.readUInt16LE(local + 26) + b.readUInt16LE(local + 28)
      const bytes = b.subarray(data, data + size)
      entries.set(name, method === DEFLATED ? inflateRawSync(bytes) : bytes)
    }
    at += 46 + nameBytes! + extraBytes! + commentBytes!
  }
  return entries
}
