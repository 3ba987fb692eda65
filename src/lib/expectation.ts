// What scripts and policy tests expect of a traced connection or request, and what counts as such.

/**
 * What becomes of it: `allow`; `redirect` = handed to the proxy, which judges each request; `dropped` by the
 * kernel; `reset` by the proxy before anything is read; `unauthorized` = a Kafka request that the proxy answers as a broker
 * does; else the status of the proxy's answer, e.g. `403`.
 */
export type Outcome = string

/** `deny` = anything by which nothing gets through. Statuses are spelt out. */
export const EXPECTATIONS = [
  'allow',
  'deny',
  'redirect',
  'dropped',
  'reset',
  'unauthorized',
  '403',
  '405',
  '400',
] as const
export type Expectation = (typeof EXPECTATIONS)[number]

export function isExpectation(text: string): text is Expectation {
  return (EXPECTATIONS as readonly string[]).includes(text)
}

export function meets(outcome: Outcome, expected: Expectation): boolean {
  if (expected === 'deny') return outcome !== 'allow' && outcome !== 'redirect'
  return outcome === expected
}
