// Runs the programs of one endpoint on single packets (BPF_PROG_TEST_RUN), with real maps in a bpffs folder of
// their own. Nothing is attached anywhere.
import { mkdirSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import koffi from 'koffi'
import { parseAddress } from '../../src/lib/address.ts'
import { asEndpointId, asIdentity, type EndpointId } from '../../src/lib/brands.ts'
import type { Direction } from '../../src/policy/network-policy.ts'
import type { PolicyMapEntry, PolicyMapVerdict } from '../../src/policy/policy-map.ts'
import { BpfMap } from '../../src/redirect/bpf-map.ts'
import { BpfObject } from '../../src/redirect/bpf-object.ts'
import type { DatapathEvent } from '../../src/redirect/datapath-api.ts'
import { DatapathEvents } from '../../src/redirect/events.ts'
import { addressLayout, endpointConfigLayout, endpointLayout } from '../../src/redirect/layouts.ts'
import { PolicyMaps } from '../../src/redirect/policy-map.ts'
import { checkRequirements } from '../../src/redirect/requirements.ts'

koffi.struct('bpf_test_run_opts', {
  sz: 'size_t',
  data_in: 'void *',
  data_out: 'void *',
  data_size_in: 'uint32_t',
  data_size_out: 'uint32_t',
  ctx_in: 'void *',
  ctx_out: 'void *',
  ctx_size_in: 'uint32_t',
  ctx_size_out: 'uint32_t',
  retval: 'uint32_t',
  repeat: 'int',
  duration: 'uint32_t',
  flags: 'uint32_t',
  cpu: 'uint32_t',
  batch_size: 'uint32_t',
})
const testRun = koffi
  .load('libbpf.so.1')
  .func('int bpf_prog_test_run_opts(int fd, _Inout_ bpf_test_run_opts *opts)')

const SK_BUFF_BYTES = 192
const SK_BUFF_MARK_OFFSET = 8
const ACTIONS: Record<number, Outcome['action']> = {
  0xffffffff: 'pass',
  0: 'steer',
  2: 'drop',
  7: 'redirect',
}

export interface Outcome {
  /** pass: on to the next filter; steer: to the local route; redirect: round through weir0. */
  readonly action: 'pass' | 'steer' | 'drop' | 'redirect' | 'other'
  readonly mark: number
  /** Of the drop event; '' when none was emitted. */
  readonly reason: string
}

export interface TestEndpoint {
  readonly id: EndpointId
  readonly identity: number
  readonly addresses: readonly string[]
}

export class BpfRig {
  readonly policies: PolicyMaps
  readonly ipcache: BpfMap
  private readonly bpffsDir: string
  private readonly addresses: BpfMap
  private readonly events: DatapathEvents
  private readonly objects = new Map<EndpointId, BpfObject>()

  constructor(name: string) {
    this.bpffsDir = join('/sys/fs/bpf', `weir-t-${name}-${process.pid}`)
    checkRequirements(this.bpffsDir)
    BpfObject.load('sk_lookup_steer', { bpffsDir: this.bpffsDir }).close()
    this.policies = new PolicyMaps(this.bpffsDir)
    this.addresses = BpfMap.openPinned(
      this.bpffsDir,
      'weir_endpoints',
      addressLayout.bytes,
      endpointLayout.bytes,
    )
    this.ipcache = BpfMap.openPinned(this.bpffsDir, 'weir_ipcache', 20, 4)
    this.events = new DatapathEvents(BpfMap.openPinned(this.bpffsDir, 'weir_events', 0, 0).fd)
    mkdirSync(this.bpffsDir, { recursive: true })
  }

  addEndpoint(
    id: number,
    identity: number,
    v4: string,
    v6: string,
    { flags = 0 }: { readonly flags?: number } = {},
  ): TestEndpoint {
    const addresses = [v4, v6]
    const endpoint = { id: asEndpointId(id), identity, addresses }
    for (const address of addresses) {
      this.addresses.update(
        addressLayout.encode({ address: parseAddress(address) }),
        endpointLayout.encode({ endpoint: id, identity }),
      )
    }
    this.objects.set(
      endpoint.id,
      BpfObject.load('tc_endpoint', {
        bpffsDir: this.bpffsDir,
        config: endpointConfigLayout.encode({
          endpoint: id,
          identity,
          redirect_ifindex: 1,
          flags,
          redirect: 0,
        }),
      }),
    )
    return endpoint
  }

  /** The endpoint's packet on its way out (`from`), or one on its way to it (`to`). */
  run(endpoint: TestEndpoint, hook: 'from' | 'to', frame: Buffer, mark = 0): Outcome {
    const object = this.objects.get(endpoint.id)
    if (object === undefined) throw new Error(`endpoint ${endpoint.id} was not added`)
    const context = Buffer.alloc(SK_BUFF_BYTES)
    context.writeUInt32LE(mark, SK_BUFF_MARK_OFFSET)
    const contextOut = Buffer.alloc(SK_BUFF_BYTES)
    const options = {
      sz: koffi.sizeof('bpf_test_run_opts'),
      data_in: frame,
      data_out: null,
      data_size_in: frame.length,
      data_size_out: 0,
      ctx_in: context,
      ctx_out: contextOut,
      ctx_size_in: SK_BUFF_BYTES,
      ctx_size_out: SK_BUFF_BYTES,
      retval: 0,
      repeat: 1,
      duration: 0,
      flags: 0,
      cpu: 0,
      batch_size: 0,
    }
    const result = testRun(object.programFd(`weir_${hook}_endpoint`), options) as number
    if (result < 0) throw new Error(`BPF_PROG_TEST_RUN: ${result}`)
    const events: DatapathEvent[] = []
    this.events.consume((event) => events.push(event))
    return {
      action: ACTIONS[options.retval] ?? 'other',
      mark: contextOut.readUInt32LE(SK_BUFF_MARK_OFFSET),
      reason: events[0]?.reason ?? '',
    }
  }

  close(): void {
    for (const object of this.objects.values()) object.close()
    this.events.close()
    rmSync(this.bpffsDir, { recursive: true, force: true })
  }
}

/** `port` 0: any port; `protocol` 0: any protocol. */
export function entry(
  verdict: PolicyMapVerdict,
  direction: Direction,
  identity: number,
  protocol: number,
  port: number,
  precedence = 1,
): PolicyMapEntry {
  return {
    identity: asIdentity(identity),
    direction,
    protocol,
    port,
    portBits: port === 0 ? 0 : 16,
    verdict,
    precedence,
  }
}
