// Waiting to be told to stop.

/** Resolves at the first SIGTERM or SIGINT. */
export function terminationSignal(): Promise<void> {
  return new Promise((resolve) => {
    process.once('SIGTERM', () => resolve())
    process.once('SIGINT', () => resolve())
  })
}
