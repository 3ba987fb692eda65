// What is read of the answers of the Docker engine API; everything else in them is ignored.
import { z } from 'zod'

/** `GET /version`; of a socket that belongs to something else nothing of this is there. */
export const versionSchema = z.object({
  Version: z.string(),
  ApiVersion: z.string(),
  MinAPIVersion: z.string().optional(),
})

const attachedSchema = z.object({
  NetworkID: z.string().default(''),
  IPAddress: z.string().default(''),
  GlobalIPv6Address: z.string().default(''),
})

/** `GET /containers/json`: answered from memory, also while a container starts. */
export const containersSchema = z.array(
  z.object({
    Id: z.string(),
    /** Seconds since 1970. */
    Created: z.number(),
    Names: z.array(z.string()).nullish(),
    Labels: z.record(z.string(), z.string()).nullish(),
    State: z.string(),
    HostConfig: z.object({ NetworkMode: z.string().optional() }).nullish(),
    NetworkSettings: z.object({ Networks: z.record(z.string(), attachedSchema).nullish() }).nullish(),
  }),
)
export type EngineContainer = z.infer<typeof containersSchema>[number]

/** `GET /networks` */
export const networksSchema = z.array(z.object({ Id: z.string(), Name: z.string(), Driver: z.string() }))
export type EngineNetwork = z.infer<typeof networksSchema>[number]

/** `GET /networks/ID`: who is connected, from before its process runs on. */
export const networkSchema = z.object({
  Id: z.string(),
  Name: z.string(),
  Driver: z.string(),
  Options: z.record(z.string(), z.string()).nullish(),
  Containers: z
    .record(
      z.string(),
      z.object({
        MacAddress: z.string(),
        /** With the length of the network's prefix; '' = none of that family. */
        IPv4Address: z.string(),
        IPv6Address: z.string(),
      }),
    )
    .nullish(),
})
export type EngineNetworkDetail = z.infer<typeof networkSchema>

/** `GET /containers/ID/json`; waits while the container starts. */
export const inspectSchema = z.object({ State: z.object({ Pid: z.number() }) })

/** One line of `GET /events`. */
export const eventSchema = z.object({ Type: z.string().optional(), Action: z.string().optional() })
export type EngineEvent = z.infer<typeof eventSchema>
