// A weir that waits a second for the rest of a request head, not a minute: for tests that go beyond it. The limit is
// no setting, so Node is told to load another value of the constant: `--import` of this file. It does nothing
// in the test that imports it for `WITH_SHORT_HEAD_TIMEOUT`.
import { register, type LoadHook } from 'node:module'
import { fileURLToPath } from 'node:url'
import { isMainThread } from 'node:worker_threads'
import { MAIN } from './weir-process.ts'

export const SHORT_HEAD_TIMEOUT_MS = 1_000

const LIMITS = '/dist/src/l7rules/http1/limits.js'
const CONSTANT = /HEAD_TIMEOUT_MS = [0-9_]+/

/** `executable` of a weir. Its workers inherit the flags. */
export const WITH_SHORT_HEAD_TIMEOUT: readonly string[] = [
  process.execPath,
  '--enable-source-maps',
  '--import',
  import.meta.url,
  MAIN,
]

/** Called by Node, in a thread for such hooks. */
export const load: LoadHook = async (url, context, nextLoad) => {
  const loaded = await nextLoad(url, context)
  if (!url.endsWith(LIMITS)) return loaded
  const { source: bytes } = loaded
  const source = typeof bytes === 'string' ? bytes : Buffer.from(bytes as Uint8Array).toString()
  if (!CONSTANT.test(source)) throw new Error(`${fileURLToPath(url)} has no HEAD_TIMEOUT_MS`)
  return { ...loaded, source: source.replace(CONSTANT, `HEAD_TIMEOUT_MS = ${SHORT_HEAD_TIMEOUT_MS}`) }
}

if (isMainThread && process.execArgv.includes(import.meta.url)) register(import.meta.url)
