// Runs inside a node's namespace: puts programs on devices that are there, and prints as JSON what each took, and the
// CPU time of all together.
// Usage: node setup-cost.js STATE_DIR MODE COUNT PREFIX
import { asEndpointId, asIdentity } from '../../src/lib/brands.ts'
import { instancePaths } from '../../src/lib/paths.ts'
import type { RedirectMode } from '../../src/lib/redirect-mode.ts'
import { openDatapath } from '../../src/redirect/datapath.ts'
import { redirectOf } from '../../src/redirect/redirect.ts'
import { mkdirSync } from 'node:fs'

const [stateDir = '', mode = 'hybrid', count = '1', prefix = ''] = process.argv.slice(2)
mkdirSync(stateDir, { recursive: true })
const datapath = openDatapath({ paths: instancePaths(stateDir), redirect: redirectOf(mode as RedirectMode) })
const milliseconds: number[] = []
const before = process.cpuUsage()
for (let i = 0; i < Number(count); i++) {
  const started = performance.now()
  datapath.setEndpoint({
    id: asEndpointId(i + 1),
    identity: asIdentity(1000 + i),
    devices: [`${prefix}${i}`],
    addresses: [`10.1.${i >> 8}.${i & 255}`, `fd00:1::${(i + 1).toString(16)}`],
  })
  milliseconds.push(performance.now() - started)
}
const { user, system } = process.cpuUsage(before)
process.stdout.write(JSON.stringify({ milliseconds, cpuMs: (user + system) / 1000 }))
process.exit(0)
