// Times and sizes of work that is done in this process.

export interface Row {
  readonly case: string
  /** Of what the case counts: identities, rules, prefixes. */
  readonly n: number
  readonly p50Us: number
  readonly p99Us: number
  /** undefined = not measured. */
  readonly bytesPerItem?: number
}

/** Microseconds of each of `runs` calls, after some that do not count. */
export function times(runs: number, work: (run: number) => void, warmUps = Math.ceil(runs / 10)): number[] {
  const result: number[] = []
  for (let run = -warmUps; run < runs; run++) {
    const before = performance.now()
    work(run)
    if (run >= 0) result.push((performance.now() - before) * 1000)
  }
  return result
}

export function row(name: string, n: number, microseconds: readonly number[], bytesPerItem?: number): Row {
  const sorted = [...microseconds].sort((a, b) => a - b)
  const at = (share: number): number =>
    sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))] ?? 0
  const rounded = (value: number): number => Math.round(value * 10) / 10
  return {
    case: name,
    n,
    p50Us: rounded(at(0.5)),
    p99Us: rounded(at(0.99)),
    ...(bytesPerItem === undefined ? {} : { bytesPerItem: Math.round(bytesPerItem) }),
  }
}

/** Growth of the heap by what `make` returns, in bytes; needs --expose-gc. */
export function heapOf<T>(make: () => T): { made: T; bytes: number } {
  collect()
  const before = process.memoryUsage().heapUsed
  const made = make()
  collect()
  return { made, bytes: process.memoryUsage().heapUsed - before }
}

function collect(): void {
  globalThis.gc?.()
  globalThis.gc?.()
}
