// What it costs to write policy maps of the kernel: by single entries, and as a whole. Needs root.
import { mkdirSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { asEndpointId, asIdentity } from '../../src/lib/brands.ts'
import { NORMAL_LEVEL, precedence } from '../../src/policy/precedence.ts'
import type { PolicyMapEntry } from '../../src/policy/policy-map.ts'
import { BpfObject } from '../../src/redirect/bpf-object.ts'
import { PolicyMaps } from '../../src/redirect/policy-map.ts'
import { row, times, type Row } from './measure.ts'

const ENTRIES = 16_000
const ID = asEndpointId(1)

/** undefined = not root: policy maps of the kernel are left out. */
export function withPolicyMaps<T>(body: (maps: PolicyMaps) => T): T | undefined {
  if (process.getuid?.() !== 0) return undefined
  const folder = join('/sys/fs/bpf', `weir-bench-policy-${process.pid}`)
  mkdirSync(folder, { recursive: true })
  try {
    BpfObject.load('sk_lookup_steer', { bpffsDir: folder }).close()
    const maps = new PolicyMaps(folder)
    try {
      return body(maps)
    } finally {
      maps.close()
    }
  } finally {
    rmSync(folder, { recursive: true, force: true })
  }
}

export function kernelMaps(maps: PolicyMaps): Row[] {
  const all = Array.from({ length: ENTRIES }, (_, i) => entry(300 + Math.floor(i / 300), i % 300))
  maps.replace(ID, all.slice(0, ENTRIES - 600))
  const few = all.slice(ENTRIES - 300)
  const added = times(50, () => maps.apply(ID, few, []), 5)
  const removed = times(
    20,
    () => {
      maps.apply(ID, few, [])
      maps.apply(ID, [], few)
    },
    2,
  )
  const replaced = times(10, () => maps.replace(ID, all), 2)
  return [
    row('300 entries into a policy map of the kernel', 300, added),
    row('300 entries in and out again', 300, removed),
    row('a whole policy map in one step', ENTRIES, replaced),
  ]
}

function entry(identity: number, port: number): PolicyMapEntry {
  return {
    identity: asIdentity(identity),
    direction: 'ingress',
    protocol: 6,
    port: 1 + port,
    portBits: 16,
    verdict: 'allow',
    precedence: precedence(NORMAL_LEVEL, 'allow'),
  }
}
