// Branded primitives: numbers of different kinds that the compiler refuses to mix up.

declare const brand: unique symbol
type Brand<T, Name extends string> = T & { readonly [brand]: Name }

/** u32 shared by endpoints with the same security-relevant labels. 0 in a policy map key = any. */
export type Identity = Brand<number, 'Identity'>
/** u16, never 0: a local workload under policy. 0 in a `weir_conns` entry = no local endpoint on that side. */
export type EndpointId = Brand<number, 'EndpointId'>
/** Revision of the whole policy set; grows by one with each change that was admitted. */
export type Revision = Brand<number, 'Revision'>

export const asIdentity = (n: number): Identity => n as Identity
export const asEndpointId = (n: number): EndpointId => n as EndpointId
export const asRevision = (n: number): Revision => n as Revision
