// The kernel's shortcut from a packet to its TCP socket, before routing. It must be off: a packet for one of the
// proxy's sockets that comes in by a device without our programs (an uplink) carries an address of an endpoint, so
// it is routed there, and forwarding drops, unseen by all, whatever has found a socket. Without the shortcut it
// reaches the endpoint's egress hook, which knows where it belongs.
import { existsSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { readSysctl, writeSysctl } from './sysctl.ts'

/** One setting for both families, of the network namespace. */
const SYSCTL = 'ipv4/tcp_early_demux'
/** Holds what was set before us. */
const RECORD = 'tcp_early_demux'

/** The former value is written down first, for `cleanup`. @returns true when it was on */
export function disableEarlyDemux(stateDir: string): boolean {
  const value = readSysctl(SYSCTL)
  if (value === undefined || value === '0') return false
  writeFileSync(join(stateDir, RECORD), value, { mode: 0o600 })
  writeSysctl(SYSCTL, '0')
  return true
}

/** Nothing to do when it was off before us. */
export function restoreEarlyDemux(stateDir: string): void {
  const record = join(stateDir, RECORD)
  if (!existsSync(record)) return
  writeSysctl(SYSCTL, readFileSync(record, 'utf8'))
  rmSync(record)
}
