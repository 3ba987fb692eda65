// Files that people write: UTF-8, with or without a byte order mark.
import { isUtf8 } from 'node:buffer'
import { readFile } from 'node:fs/promises'

/** Without its byte order mark. @throws Error naming the first byte that is not UTF-8, or that of reading */
export async function readTextFile(path: string): Promise<string> {
  const bytes = await readFile(path)
  if (!isUtf8(bytes)) {
    const offset = firstOffence(bytes)
    throw new Error(`is not UTF-8: byte ${offset} is 0x${bytes.toString('hex', offset, offset + 1)}`)
  }
  const text = bytes.toString()
  return text.startsWith('\ufeff') ? text.slice(1) : text
}

/** Up to there, decoding and encoding changes nothing. */
function firstOffence(bytes: Buffer): number {
  const again = Buffer.from(bytes.toString())
  for (let i = 0; ; i++) if (bytes[i] !== again[i]) return i
}
