// CiliumNetworkPolicy objects that read like what they mean.

type Labels = Readonly<Record<string, string>>
export type Rule = Readonly<Record<string, unknown>>

export interface HttpRule {
  readonly method?: string
  readonly path?: string
  readonly host?: string
  /** `Name: value` or `Name`. */
  readonly headers?: readonly string[]
  readonly headerMatches?: readonly {
    readonly name: string
    readonly value?: string
    readonly mismatch?: 'LOG' | 'ADD' | 'DELETE' | 'REPLACE'
  }[]
}

/** Selects the pods with the label `app: APP`. The policy is named after them. */
export function networkPolicy(
  app: string,
  rules: { readonly ingress?: readonly Rule[]; readonly egress?: readonly Rule[] },
  annotations: Labels = {},
): Rule {
  return {
    apiVersion: 'cilium.io/v2',
    kind: 'CiliumNetworkPolicy',
    metadata: { name: `${app}-policy`, annotations },
    spec: { endpointSelector: { matchLabels: { app } }, ...rules },
  }
}

const matching = (app: string): { readonly matchLabels: Labels } => ({ matchLabels: { app } })

export const fromPods = (...apps: readonly string[]): Rule => ({ fromEndpoints: apps.map(matching) })
export const toPods = (...apps: readonly string[]): Rule => ({ toEndpoints: apps.map(matching) })
export const fromEntity = (entity: string): Rule => ({ fromEntities: [entity] })
export const toEntity = (entity: string): Rule => ({ toEntities: [entity] })

const portsOf = (protocol: string, ports: readonly number[]): Rule => ({
  ports: ports.map((port) => ({ port: String(port), protocol })),
})

export const onTcp = (...ports: readonly number[]): Rule => ({ toPorts: [portsOf('TCP', ports)] })
export const onUdp = (...ports: readonly number[]): Rule => ({ toPorts: [portsOf('UDP', ports)] })

/** Only these requests. */
export const onHttp = (port: number, ...http: readonly HttpRule[]): Rule => ({
  toPorts: [{ ...portsOf('TCP', [port]), rules: { http } }],
})

export interface KafkaRule {
  readonly role?: 'produce' | 'consume'
  readonly apiKey?: string
  readonly apiVersion?: string
  readonly clientID?: string
  readonly topic?: string
  readonly topicPrefix?: string
  readonly group?: string
  readonly transactionalID?: string
}

/** Only these requests. */
export const onKafka = (port: number, ...kafka: readonly KafkaRule[]): Rule => ({
  toPorts: [{ ...portsOf('TCP', [port]), rules: { kafka } }],
})
