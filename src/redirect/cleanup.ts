// Removing everything that Weir ever put on the machine, and nothing else.
import { existsSync, rmSync } from 'node:fs'
import type { InstancePaths } from '../lib/paths.ts'
import { Attachments } from './attachments.ts'
import { runJson } from './iproute.ts'
import { listLinks, setLinkGroup } from './links.ts'
import { JUDGED_GROUP, removePortGate } from './port-gate.ts'
import { removeSteering, REDIRECT_DEVICE } from './steering.ts'
import { attachedProgram, interfaceIndex } from './tc.ts'

/** Filters first, so that traffic flows again before the proxy's way in disappears. @returns what was removed */
export function removeDatapath(paths: InstancePaths): string[] {
  const removed: string[] = []
  if (removePortGate()) removed.push('rules that close unknown ports of bridges')
  for (const { ifindex, group } of listLinks()) if (group === JUDGED_GROUP) setLinkGroup(ifindex, 0)
  const attachments = new Attachments(paths.stateDir)
  for (const device of devices()) {
    const ifindex = interfaceIndex(device)
    if (device === REDIRECT_DEVICE || ifindex === 0) continue
    const isOurs = (['ingress', 'egress'] as const).some((d) => attachedProgram(ifindex, d) !== undefined)
    if (isOurs) removed.push(`filters on ${device}`)
    attachments.remove(device)
  }
  if (interfaceIndex(REDIRECT_DEVICE) !== 0) removed.push(`device ${REDIRECT_DEVICE}`)
  removeSteering(paths)
  if (existsSync(paths.bpffsDir)) {
    rmSync(paths.bpffsDir, { recursive: true })
    removed.push(`maps in ${paths.bpffsDir}`)
  }
  return removed
}

function devices(): string[] {
  return (runJson('ip', 'link', 'show') as { ifname: string }[]).map((link) => link.ifname)
}
