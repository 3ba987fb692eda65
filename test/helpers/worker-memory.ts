// How much a worker of weir grows.
import { readFileSync, writeFileSync } from 'node:fs'
import { type WeirProcess } from './weir-process.ts'

/** The most that the only worker has grown since, in resident memory. */
export function watchMemory(weir: WeirProcess): { growth(): number } {
  const { pid } = weir.processes().find(({ command }) => command === 'proxy')!
  const bytesOf = (field: string): number =>
    Number(new RegExp(`^${field}:\\s+(\\d+)`, 'm').exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1]) *
    1024
  const before = bytesOf('VmRSS')
  writeFileSync(`/proc/${pid}/clear_refs`, '5') // the peak begins anew
  return { growth: () => bytesOf('VmHWM') - before }
}
