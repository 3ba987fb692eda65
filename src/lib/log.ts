// The operational log: JSON lines on standard error. Per-request records go to the access log instead.
import { pino, type Logger } from 'pino'

export type { Logger }

/** `component` becomes a field of each line. Level from WEIR_LOG_LEVEL is read by the composition root. */
export function createLogger(component: string, level = 'info'): Logger {
  return pino(
    { level, base: { component, pid: process.pid }, timestamp: pino.stdTimeFunctions.isoTime },
    pino.destination({ fd: 2, sync: true }),
  )
}
