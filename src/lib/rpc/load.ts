// The services of proto/, loaded at run time. Types come from the same files (`npm run build:proto`).
import { loadPackageDefinition } from '@grpc/grpc-js'
import { loadSync } from '@grpc/proto-loader'
import { join } from 'node:path'
import type { ProtoGrpcType as AdsProtos } from '../../gen/ads.ts'
import type { ProtoGrpcType as AgentProtos } from '../../gen/agent.ts'
import type { ProtoGrpcType as ControlProtos } from '../../gen/control.ts'
import type { ProtoGrpcType as NpdsProtos } from '../../gen/npds.ts'
import type { ProtoGrpcType as NphdsProtos } from '../../gen/nphds.ts'
import { packageRoot } from '../paths.ts'

export type Protos = AdsProtos & AgentProtos & ControlProtos & NpdsProtos & NphdsProtos

const ROOTS = [
  'weir/v1/control.proto',
  'weir/v1/agent.proto',
  'cilium/api/npds.proto',
  'cilium/api/nphds.proto',
  'envoy/service/discovery/v3/ads.proto',
]

/** Must say the same as the flags of `build:proto`, or the generated types lie. */
const OPTIONS = { longs: Number, enums: String, defaults: true, oneofs: true } as const

let loaded: Protos | undefined

/** Loads on first use: about 50 ms that a command which talks to nobody does not pay. */
export function protos(): Protos {
  loaded ??= loadPackageDefinition(
    loadSync(ROOTS, { ...OPTIONS, includeDirs: [join(packageRoot(), 'proto')] }),
  ) as unknown as Protos
  return loaded
}
