// The npm package: what is in it, and that it works where there is neither the repository nor a compiler.
import { mkdirSync, readdirSync, symlinkSync } from 'node:fs'
import { basename, join } from 'node:path'
import t from 'tap'
import { packageRoot } from '../../src/lib/paths.ts'
import { packageVersion } from '../../src/lib/version.ts'
import { runCommand, runSync } from '../helpers/command.ts'
import { curl } from '../helpers/curl.ts'
import { startHttpServer } from '../helpers/http-server.ts'
import { fromPods, networkPolicy, onHttp } from '../helpers/network-policy.ts'
import { addressesOf, NodeNamespace, urlOf } from '../helpers/node-namespace.ts'
import { contentsOf, install, pack } from '../helpers/packed.ts'
import { canRunPrivileged } from '../helpers/privileges.ts'
import { addPod } from '../helpers/cluster.ts'
import { endpointOf, WeirProcess } from '../helpers/weir-process.ts'

/** All that Weir runs. */
const TOOLS = ['ip', 'tc', 'nft', 'mount']

if (canRunPrivileged(t)) {
  t.test('npm package', async (t) => {
    const node = NodeNamespace.forTest(t)
    const tarball = await pack(join(node.workDir, 'packed'))
    t.equal(basename(tarball), `weir-${packageVersion()}.tgz`)

    t.test('what is in it', async (t) => {
      const contents = await contentsOf(tarball)
      const beside = contents.filter((path) => !/^(dist\/src|dist\/bpf|proto|LICENSES|docs)\//.test(path))
      t.strictSame(beside.sort(), [
        'CHANGELOG.md',
        'LICENSE',
        'README.md',
        'SECURITY.md',
        'docker/weir.service',
        'package.json',
      ])
      const inFolder = (folder: string): string[] =>
        contents
          .flatMap((path) => (path.startsWith(`${folder}/`) ? [path.slice(folder.length + 1)] : []))
          .sort()
      const sources = filesIn('src').filter((path) => path.endsWith('.ts') && !path.startsWith('gen/'))
      t.strictSame(
        inFolder('dist/src'),
        sources.map((path) => path.replace(/ts$/, 'js')),
      )
      const programs = filesIn('bpf').filter(
        (path) => path.endsWith('.bpf.c') && path !== 'layout_check.bpf.c',
      )
      t.strictSame(
        inFolder('dist/bpf'),
        programs.map((path) => path.replace(/c$/, 'o')),
      )
      t.strictSame(inFolder('proto'), filesIn('proto'))
      t.strictSame(inFolder('LICENSES'), filesIn('LICENSES'))
      t.strictSame(
        inFolder('docs'),
        filesIn('docs').filter((path) => !path.includes('/')),
      )
    })

    t.test('it works outside of the repository, without a compiler', async (t) => {
      const weirCommand = await install(tarball, join(node.workDir, 'project'))
      const path = join(node.workDir, 'bin')
      linkTools(path, [...TOOLS.map(whereIs), process.execPath])
      const executable = ['env', '-i', `PATH=${path}`, weirCommand]
      const version = await runCommand([...executable, '--version'], { cwd: node.workDir })
      t.equal(version.stdout.toString().trim(), packageVersion())

      const doctor = await node.exec([...executable, 'doctor'], { cwd: node.workDir })
      t.match(doctor.stdout.toString(), /libbpf +ok/)

      const [client, server] = [addPod(node, 'client'), addPod(node, 'server')]
      const weir = await WeirProcess.start(node, {
        executable,
        endpoints: [client, server].map((pod) => endpointOf(pod, { app: pod.podName })),
        policies: {
          'server.yaml': networkPolicy('server', {
            ingress: [{ ...fromPods('client'), ...onHttp(80, { path: '/ok' }) }],
          }),
        },
      })
      t.teardown(() => {
        if (!t.passing()) t.comment(weir.logText())
      })
      const site = await startHttpServer(server, { port: 80 })
      t.teardown(() => site.close())
      for (const address of addressesOf(server)) {
        t.equal((await curl(client, urlOf(address, '/ok'))).status, 200, address)
        t.equal((await curl(client, urlOf(address, '/other'))).status, 403, address)
      }
      t.match((await weir.cli(['status'])).stdout.toString(), /server-policy/)
      await weir.stop()
      t.match((await weir.cli(['cleanup'])).stdout.toString(), /nothing of Weir is left/)
    })
  })
}

function filesIn(folder: string): string[] {
  const root = join(packageRoot(), folder)
  const entries = readdirSync(root, { recursive: true, withFileTypes: true })
  return entries
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath, entry.name).slice(root.length + 1))
    .sort()
}

function linkTools(folder: string, files: readonly string[]): void {
  mkdirSync(folder)
  for (const file of files) symlinkSync(file, join(folder, basename(file)))
}

function whereIs(tool: string): string {
  return runSync(['sh', '-c', 'command -v "$1"', 'sh', tool]).trim()
}
