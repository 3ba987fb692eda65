// A weir in which a constant has another value: for limits and intervals that are no settings, and that tests cannot wait
// for. Node is told to load that module with the other value: `--import` of this file. It does nothing in the
// test that imports it.
import { register, type LoadHook } from 'node:module'
import { isMainThread } from 'node:worker_threads'
import { MAIN } from './weir-process.ts'

export interface OtherConstant {
  /** Below `src/`, without its ending. */
  readonly module: string
  readonly name: string
  readonly value: number
}

/** `executable` of a weir. Its workers inherit the flags. */
export function withConstant({ module, name, value }: OtherConstant): readonly string[] {
  const url = new URL(import.meta.url)
  url.search = new URLSearchParams({ module, name, value: String(value) }).toString()
  return [process.execPath, '--enable-source-maps', '--import', url.href, MAIN]
}

/** Called by Node, in a thread for such hooks. */
export const load: LoadHook = async (url, context, nextLoad) => {
  const loaded = await nextLoad(url, context)
  const wanted = new URL(import.meta.url).searchParams
  const [module, name, value] = ['module', 'name', 'value'].map((key) => wanted.get(key) ?? '')
  if (!url.endsWith(`/dist/src/${module}.js`)) return loaded
  const { source: bytes } = loaded
  const source = typeof bytes === 'string' ? bytes : Buffer.from(bytes as Uint8Array).toString()
  const constant = new RegExp(`\\b${name} = [0-9_]+`)
  if (!constant.test(source)) throw new Error(`${module} has no number ${name}`)
  return { ...loaded, source: source.replace(constant, `${name} = ${value}`) }
}

if (isMainThread && process.execArgv.includes(import.meta.url)) register(import.meta.url)
