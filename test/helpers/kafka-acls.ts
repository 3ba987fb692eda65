// A broker that authorises by itself: what clients see of it is what they are to see of Weir.
import kafkajs, { type AclEntry } from 'kafkajs'
import { type KafkaBroker } from './kafka-broker.ts'
import { kafkaJs } from './kafkajs.ts'

const { AclOperationTypes, AclPermissionTypes, AclResourceTypes, ResourcePatternTypes } = kafkajs

/** For `properties` of a broker. Everybody may do everything until `allowOnly`. */
export const AUTHORIZER = {
  'authorizer.class.name': 'org.apache.kafka.metadata.authorizer.StandardAuthorizer',
  'allow.everyone.if.no.acl.found': true,
}

export type ResourceKind = 'TOPIC' | 'GROUP' | 'TRANSACTIONAL_ID'

export interface Grant {
  readonly kind: ResourceKind
  readonly name: string
  readonly operations: readonly (keyof typeof AclOperationTypes)[]
}

/** Only this is allowed from now on, but everything to what runs in the broker's own pod. */
export async function allowOnly(broker: KafkaBroker, grants: readonly Grant[]): Promise<void> {
  const admin = kafkaJs(broker.pod, broker.servers[0], { retry: { retries: 5 } }).admin()
  await admin.connect()
  const kinds = ['TOPIC', 'GROUP', 'TRANSACTIONAL_ID'] as const
  const local = [broker.pod.v4, broker.pod.v6, '127.0.0.1'].flatMap((host) => [
    ...kinds.map((kind) => entry(kind, '*', 'ALL', host)),
    entry('CLUSTER', 'kafka-cluster', 'ALL', host),
  ])
  const granted = grants.flatMap(({ kind, name, operations }) =>
    operations.map((operation) => entry(kind, name, operation, '*')),
  )
  await admin.createAcls({ acl: [...local, ...granted] })
  await admin.disconnect()
}

function entry(
  kind: ResourceKind | 'CLUSTER',
  resourceName: string,
  operation: keyof typeof AclOperationTypes,
  host: string,
): AclEntry {
  return {
    resourceType: AclResourceTypes[kind],
    resourceName,
    resourcePatternType: ResourcePatternTypes.LITERAL,
    principal: 'User:ANONYMOUS',
    host,
    operation: AclOperationTypes[operation],
    permissionType: AclPermissionTypes.ALLOW,
  }
}
