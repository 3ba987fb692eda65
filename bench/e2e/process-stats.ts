// What processes and the machine used, from /proc.
import { readdirSync, readFileSync } from 'node:fs'

const PAGE_BYTES = 4096
/** USER_HZ: fixed on every Linux that Node runs on. */
const TICK_US = 10_000

/** CPU time of all threads of a process. Softirq work that ran on its account is part of it, as for any proxy. */
export function cpuMicrosOf(pid: number): number {
  let nanoseconds = 0
  for (const thread of readdirSync(`/proc/${pid}/task`)) {
    const text = readFileSync(`/proc/${pid}/task/${thread}/schedstat`, 'utf8')
    nanoseconds += Number(text.split(' ')[0])
  }
  return nanoseconds / 1000
}

/** CPU time of everything on all cores: client, proxy, server, kernel, and whoever else shares the machine. */
export function systemCpuMicros(): number {
  const [user = 0, nice = 0, system = 0, , , irq = 0, softirq = 0] = readFileSync('/proc/stat', 'utf8')
    .split('\n', 1)[0]!
    .trim()
    .split(/\s+/)
    .slice(1)
    .map(Number)
  return (user + nice + system + irq + softirq) * TICK_US
}

export function rssBytesOf(pid: number): number {
  return Number(readFileSync(`/proc/${pid}/statm`, 'utf8').split(' ')[1]) * PAGE_BYTES
}

export function sum(numbers: readonly number[]): number {
  return numbers.reduce((total, number) => total + number, 0)
}
