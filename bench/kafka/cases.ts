// What is measured: record batches of one topic, in one direction.

export interface Case {
  readonly name: string
  readonly title: string
  readonly does: 'produce' | 'consume'
  readonly recordBytes: number
  /** Settings of the client beside Kafka's defaults. */
  readonly client: Readonly<Record<string, string | number>>
  /** Roughly what goes through per second, so that a run takes about as long as asked for; less, so that topics stay small. */
  readonly expectedMbPerSecond: number
}

export const CASES: readonly Case[] = [
  {
    name: 'produce-100b',
    title: 'produce records of 100 bytes, acks=all',
    does: 'produce',
    recordBytes: 100,
    client: {},
    expectedMbPerSecond: 60,
  },
  {
    name: 'produce-1k',
    title: 'produce records of 1 kB, acks=all',
    does: 'produce',
    recordBytes: 1_000,
    client: {},
    expectedMbPerSecond: 120,
  },
  {
    name: 'produce-100k',
    title: 'produce records of 100 kB, acks=all',
    does: 'produce',
    recordBytes: 100_000,
    client: {},
    expectedMbPerSecond: 200,
  },
  {
    name: 'consume-1k',
    title: 'consume records of 1 kB',
    does: 'consume',
    recordBytes: 1_000,
    client: {},
    expectedMbPerSecond: 200,
  },
  {
    name: 'consume-100k',
    title: 'consume records of 100 kB',
    does: 'consume',
    recordBytes: 100_000,
    client: {},
    expectedMbPerSecond: 200,
  },
]

/** Records of a run of so many seconds. */
export function recordsOf(test: Case, seconds: number): number {
  return Math.ceil((test.expectedMbPerSecond * 1e6 * seconds) / test.recordBytes)
}
