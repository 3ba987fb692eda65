// The per-endpoint policy maps inside the hash-of-maps weir_policy. Each is pinned, too, under its id: the outer map says
// the id only, and to open a map by its id would take CAP_SYS_ADMIN.
import { mkdirSync, readdirSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { asIdentity, type EndpointId } from '../lib/brands.ts'
import { WeirError } from '../lib/errors.ts'
import type { PolicyMapEntry, PolicyMapVerdict } from '../policy/policy-map.ts'
import { BpfMap } from './bpf-map.ts'
import {
  DIRECTION,
  POLICY_FIXED_BITS,
  POLICY_PROTOCOL_BITS,
  policyEntryLayout,
  policyKeyLayout,
  VERDICT,
} from './layouts.ts'
import { check, ENOENT, libbpf, MAP_CREATE_OPTIONS_BYTES } from './libbpf.ts'

/** Below the folder of the instance. */
const PINS = 'policy_maps'
/** struct bpf_map_info: enough for the id. */
const MAP_INFO_BYTES = 88
const MAP_INFO_ID_OFFSET = 4
const BPF_MAP_TYPE_LPM_TRIE = 11
const BPF_F_NO_PREALLOC = 1
const ENDPOINT_KEY_BYTES = 4
const MAP_ID_BYTES = 4

export const DEFAULT_POLICY_MAP_ENTRIES = 16_384

/** Most restrictive first, so that a half-applied change never admits what neither version admits. */
const ADD_ORDER: readonly PolicyMapVerdict[] = ['deny', 'redirect', 'audit', 'allow']
const DELETE_ORDER: readonly PolicyMapVerdict[] = ['allow', 'audit', 'redirect', 'deny']

export class PolicyMaps {
  private readonly outer: BpfMap
  private readonly pins: string
  readonly maxEntries: number

  constructor(bpffsDir: string, maxEntries = DEFAULT_POLICY_MAP_ENTRIES) {
    this.outer = BpfMap.openPinned(bpffsDir, 'weir_policy', ENDPOINT_KEY_BYTES, MAP_ID_BYTES)
    this.pins = join(bpffsDir, PINS)
    this.maxEntries = maxEntries
    mkdirSync(this.pins, { recursive: true, mode: 0o700 })
    this.dropUnused()
  }

  /** Pins of an agent that was killed between two steps of a replacement. */
  private dropUnused(): void {
    const used = new Set(this.outer.entries().map(([, mapId]) => String(mapId.readUInt32LE(0))))
    for (const name of readdirSync(this.pins)) if (!used.has(name)) rmSync(join(this.pins, name))
  }

  endpoints(): number[] {
    return this.outer.keys().map((key) => key.readUInt32LE(0))
  }

  /** Put an empty policy map in place, in one step: everything is denied. */
  reset(id: EndpointId): void {
    this.replace(id, [])
  }

  /** Put a policy map with these entries in the place of the one that is there, in one step. @throws WeirError POLICY_MAP_FULL */
  replace(id: EndpointId, entries: readonly PolicyMapEntry[]): void {
    if (entries.length > this.maxEntries) throw this.full(id)
    const fd = check(
      `create policy map of endpoint ${id}`,
      libbpf().mapCreate(
        BPF_MAP_TYPE_LPM_TRIE,
        'weir_policy_ep',
        policyKeyLayout.bytes,
        policyEntryLayout.bytes,
        this.maxEntries,
        { sz: MAP_CREATE_OPTIONS_BYTES, map_flags: BPF_F_NO_PREALLOC },
      ) as number,
    )
    const value = Buffer.alloc(MAP_ID_BYTES)
    value.writeUInt32LE(fd)
    const former = this.pinOf(id)
    try {
      const pin = join(this.pins, String(mapId(fd)))
      check(`pin ${pin}`, libbpf().pin(fd, pin) as number)
      try {
        this.add(id, innerMap(id, fd), entries)
        this.outer.update(endpointKey(id), value)
      } catch (error) {
        rmSync(pin)
        throw error
      }
    } finally {
      libbpf().close(fd)
    }
    if (former !== undefined) rmSync(former, { force: true })
  }

  /** Where the map that is in force is pinned. */
  private pinOf(id: EndpointId): string | undefined {
    const mapId = this.outer.lookup(endpointKey(id))
    return mapId && join(this.pins, String(mapId.readUInt32LE(0)))
  }

  /** False, too, for a map that cannot be opened: it must be replaced. */
  has(id: EndpointId): boolean {
    return this.withMap(id, () => true) ?? false
  }

  remove(id: EndpointId): void {
    const pin = this.pinOf(id)
    this.outer.delete(endpointKey(id))
    if (pin !== undefined) rmSync(pin, { force: true })
  }

  /** @throws WeirError POLICY_MAP_FULL */
  apply(id: EndpointId, additions: readonly PolicyMapEntry[], deletions: readonly PolicyMapEntry[]): void {
    if (!this.has(id)) this.reset(id)
    this.withMap(id, (map) => {
      this.add(id, map, inOrder(additions, ADD_ORDER))
      for (const entry of inOrder(deletions, DELETE_ORDER)) map.delete(encodeKey(entry))
    })
  }

  private add(id: EndpointId, map: BpfMap, entries: readonly PolicyMapEntry[]): void {
    try {
      map.updateAll(entries.map((entry) => [encodeKey(entry), encodeValue(entry)]))
    } catch (error) {
      throw error instanceof WeirError && error.code === 'MAP_FULL' ? this.full(id) : error
    }
  }

  private full(id: EndpointId): WeirError {
    return new WeirError(
      'POLICY_MAP_FULL',
      `policy map of endpoint ${id} is full at ${this.maxEntries} entries`,
      {
        mend: 'use fewer peers or port ranges in the policies that select it, or raise --policy-map-entries',
      },
    )
  }

  list(id: EndpointId): PolicyMapEntry[] {
    return this.withMap(id, (map) => map.entries().map(([key, value]) => decodeEntry(key, value))) ?? []
  }

  private withMap<T>(id: EndpointId, use: (map: BpfMap) => T): T | undefined {
    const pin = this.pinOf(id)
    const fd = pin === undefined ? -ENOENT : (libbpf().get(pin) as number)
    if (fd === -ENOENT) return undefined
    check(`open policy map of endpoint ${id}`, fd)
    const map = innerMap(id, fd)
    try {
      return use(map)
    } finally {
      map.close()
    }
  }

  close(): void {
    this.outer.close()
  }
}

function innerMap(id: EndpointId, fd: number): BpfMap {
  return new BpfMap(`weir_policy[${id}]`, fd, policyKeyLayout.bytes, policyEntryLayout.bytes)
}

function mapId(fd: number): number {
  const info = Buffer.alloc(MAP_INFO_BYTES)
  check('read the id of a policy map', libbpf().infoByFd(fd, info, [info.length]) as number)
  return info.readUInt32LE(MAP_INFO_ID_OFFSET)
}

function endpointKey(id: number): Buffer {
  const key = Buffer.alloc(ENDPOINT_KEY_BYTES)
  key.writeUInt32LE(id)
  return key
}

function inOrder(entries: readonly PolicyMapEntry[], order: readonly PolicyMapVerdict[]): PolicyMapEntry[] {
  return order.flatMap((verdict) => entries.filter((entry) => entry.verdict === verdict))
}

function encodeKey(entry: PolicyMapEntry): Buffer {
  return policyKeyLayout.encode({
    prefix_bits: POLICY_FIXED_BITS + specificBits(entry),
    identity: entry.identity,
    direction: DIRECTION[entry.direction],
    protocol: entry.protocol,
    port: entry.port,
  })
}

function specificBits(entry: PolicyMapEntry): number {
  return entry.protocol === 0 ? 0 : POLICY_PROTOCOL_BITS + entry.portBits
}

function encodeValue(entry: PolicyMapEntry): Buffer {
  return policyEntryLayout.encode({
    precedence: entry.precedence,
    verdict: VERDICT[entry.verdict],
    specific_bits: specificBits(entry),
  })
}

const VERDICTS = Object.fromEntries(
  Object.entries(VERDICT).map(([name, number]) => [number, name as PolicyMapVerdict]),
)

function decodeEntry(keyBytes: Buffer, valueBytes: Buffer): PolicyMapEntry {
  const key = policyKeyLayout.decode(keyBytes)
  const value = policyEntryLayout.decode(valueBytes)
  const specific = key.prefix_bits - POLICY_FIXED_BITS
  return {
    identity: asIdentity(key.identity),
    direction: key.direction === DIRECTION.egress ? 'egress' : 'ingress',
    protocol: key.protocol,
    port: key.port,
    portBits: Math.max(0, specific - POLICY_PROTOCOL_BITS),
    verdict: VERDICTS[value.verdict] ?? 'deny',
    precedence: value.precedence,
  }
}
