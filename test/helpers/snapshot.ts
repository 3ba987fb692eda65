// A small policy snapshot: one endpoint that admits one request to one peer.
import { asEndpointId, asIdentity, asRevision } from '../../src/lib/brands.ts'
import type { PolicySnapshot } from '../../src/policy/network-policy.ts'

export function sampleSnapshot(revision: number): PolicySnapshot {
  return {
    revision: asRevision(revision),
    policies: [
      {
        endpointId: asEndpointId(7),
        endpointIps: ['10.0.0.7', 'fd00::7'],
        ingress: [
          {
            port: 80,
            endPort: 80,
            rules: [
              {
                name: 'default/landing ingress[0]',
                precedence: 0,
                deny: false,
                remoteIdentities: [asIdentity(1000)],
                http: [
                  {
                    name: 'default/landing ingress[0].toPorts[0].rules.http[0]',
                    method: 'POST',
                    path: '/v1/request-landing',
                    headers: [{ name: 'x-token', value: undefined }],
                  },
                ],
              },
            ],
          },
        ],
        egress: [{ port: 0, endPort: 0, rules: [] }],
      },
    ],
    endpoints: [
      {
        id: asEndpointId(7),
        name: 'deathstar',
        namespace: 'default',
        identity: asIdentity(1001),
        addresses: ['10.0.0.7', 'fd00::7'],
      },
    ],
    identities: [{ identity: asIdentity(1000), labels: ['k8s:class=tiefighter'] }],
  }
}
