// Which Debian or Ubuntu packages Weir needs, which are missing, and how they are installed.
import { existsSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { delimiter, join } from 'node:path'
import { run, StepError } from './steps.mjs'

/** The first is the one that the project is checked with. */
const CLANG_VERSIONS = [16, 17, 18, 19, 20, 21, 15, 14]
const SBIN = ['/usr/local/sbin', '/usr/sbin', '/sbin']

/** What must be there. `tools`: one of these executables is enough. `packages`: first installable one is taken. */
const TO_RUN = [
  {
    what: 'clang >= 14 with the bpf target',
    tools: clangNames('clang'),
    packages: clangNames('clang'),
  },
  { what: 'BPF headers of libbpf', files: ['/usr/include/bpf/bpf_helpers.h'], packages: ['libbpf-dev'] },
  { what: 'libbpf.so.1', library: 'libbpf.so.1', packages: ['libbpf1'] },
  { what: 'ip', tools: ['ip'], packages: ['iproute2'] },
  { what: 'nsenter', tools: ['nsenter'], packages: ['util-linux'] },
]
const TO_SHOW = [
  { what: 'nginx', tools: ['nginx'], packages: ['nginx-light', 'nginx-core', 'nginx'] },
  { what: 'curl', tools: ['curl'], packages: ['curl'] },
]
const TO_TEST = [
  {
    what: 'clang-format >= 14',
    tools: clangNames('clang-format'),
    packages: clangNames('clang-format'),
  },
  { what: 'wrk', tools: ['wrk'], packages: ['wrk'] },
  { what: 'nghttp and h2load', tools: ['h2load'], packages: ['nghttp2-client'] },
  { what: 'nc', tools: ['nc'], packages: ['netcat-openbsd'] },
  { what: 'nft', tools: ['nft'], packages: ['nftables'] },
  { what: 'openssl', tools: ['openssl'], packages: ['openssl'] },
  { what: 'iptables', tools: ['iptables'], packages: ['iptables'] },
  { what: 'systemd-nspawn', tools: ['systemd-nspawn'], packages: ['systemd-container'] },
  { what: 'kcat', tools: ['kcat'], packages: ['kcat'] },
  {
    what: 'java >= 17 (optional)',
    tools: ['java'],
    packages: ['openjdk-17-jre-headless', 'openjdk-21-jre-headless', 'default-jre-headless'],
    optional: true,
  },
  { what: 'mvn (optional)', tools: ['mvn'], packages: ['maven'], optional: true },
  { what: 'Docker engine', tools: ['dockerd'], packages: ['docker.io', 'docker-ce'] },
  { what: 'docker', tools: ['docker'], packages: ['docker.io', 'docker-cli', 'docker-ce-cli'] },
  { what: 'busybox, linked statically', files: ['/bin/busybox'], packages: ['busybox-static'] },
  {
    what: 'bpftool (optional)',
    tools: ['bpftool'],
    packages: ['bpftool', 'linux-tools-generic'],
    optional: true,
  },
]
const TO_BENCH = [{ what: 'haproxy', tools: ['haproxy'], packages: ['haproxy'] }]

/** Names of executables and of packages alike. Versions first: other systems than Debian have only the bare name. */
function clangNames(tool) {
  return [...CLANG_VERSIONS.map((version) => `${tool}-${version}`), tool]
}

/** @param {{tests: boolean, bench?: boolean}} purpose */
export function missingNeeds({ tests, bench = false }) {
  const needs = [...TO_RUN, ...TO_SHOW, ...(tests ? TO_TEST : []), ...(bench ? TO_BENCH : [])]
  return needs.filter((need) => !isMet(need))
}

/** The clang or clang-format to use: the version that the project is checked with if it is there. */
export function findClang(tool) {
  return clangNames(tool)
    .map(findTool)
    .find((path) => path !== undefined)
}

export function findTool(name) {
  const folders = [...(process.env.PATH ?? '').split(delimiter), ...SBIN]
  return folders.map((folder) => join(folder, name)).find((path) => existsSync(path))
}

function isMet(need) {
  if (need.tools) return need.tools.some((tool) => findTool(tool) !== undefined)
  if (need.files) return need.files.every((file) => existsSync(file))
  const folders = ['/usr/lib', '/lib', `/usr/lib/${multiarch()}`, `/lib/${multiarch()}`, '/usr/lib64']
  return folders.some((folder) => existsSync(join(folder, need.library)))
}

/** Debian's name of the architecture in paths such as /usr/include/x86_64-linux-gnu. */
export function multiarch() {
  const names = { x64: 'x86_64-linux-gnu', arm64: 'aarch64-linux-gnu', riscv64: 'riscv64-linux-gnu' }
  return names[process.arch] ?? process.arch
}

function isDebianLike() {
  if (!existsSync('/etc/os-release')) return false
  const release = readFileSync('/etc/os-release', 'utf8')
  return /^ID(_LIKE)?=.*\b(debian|ubuntu)\b/m.test(release) && findTool('apt-get') !== undefined
}

/**
 * Install what is missing. Nothing is asked; no service is started.
 * @param {{tests: boolean, bench?: boolean}} purpose
 * @returns {Promise<string>} what was done, in a few words
 */
export async function installMissing(purpose) {
  const needs = missingNeeds(purpose)
  if (needs.length === 0) return 'all there'
  if (!isDebianLike()) {
    const required = needs.filter((need) => !need.optional)
    if (required.length === 0) return `left out: ${list(needs)}`
    throw new StepError(`missing: ${list(required)}`, {
      mend: 'this is not Debian or Ubuntu: install these with the package manager of this system, then try again',
    })
  }
  const asRoot = process.getuid() === 0 ? [] : ['sudo']
  if (asRoot.length > 0 && findTool('sudo') === undefined) {
    throw new StepError(`missing: ${list(needs)}`, { mend: 'run this as root, or install sudo' })
  }
  let chosen = await choosePackages(needs)
  if (chosen.unknown.length > 0) {
    await run([...asRoot, 'apt-get', 'update', '-q'], {
      mend: 'check the network and /etc/apt/sources.list*',
    })
    chosen = await choosePackages(needs)
  }
  const hopeless = chosen.unknown.filter((need) => !need.optional)
  if (hopeless.length > 0) {
    throw new StepError(`no package found for: ${list(hopeless)}`, {
      mend: `install one of ${hopeless.flatMap((need) => need.packages).join(', ')} by hand (Ubuntu: enable "universe")`,
    })
  }
  if (chosen.packages.length > 0) await aptInstall(asRoot, chosen.packages)
  const left = missingNeeds(purpose).filter((need) => !need.optional)
  if (left.length > 0) throw new StepError(`still missing after installation: ${list(left)}`)
  return `installed ${chosen.packages.join(', ')}`
}

function list(needs) {
  return needs.map((need) => need.what).join(', ')
}

/** The first package of each need that apt knows, and the needs of which it knows none. */
async function choosePackages(needs) {
  const packages = []
  const unknown = []
  for (const need of needs) {
    let found
    for (const name of need.packages) {
      const policy = await run(['apt-cache', 'policy', name])
      if (/Candidate: (?!\(none\))/.test(policy)) {
        found = name
        break
      }
    }
    if (found === undefined) unknown.push(need)
    else packages.push(found)
  }
  return { packages, unknown }
}

/** nginx, haproxy and the Docker engine are needed as programs only: no package may start a server now or at boot. */
async function aptInstall(asRoot, packages) {
  const noServices = '/usr/sbin/policy-rc.d'
  const isOurs = !existsSync(noServices)
  const script = '#!/bin/sh\n# Made by the set-up of Weir for the time of one apt-get install.\nexit 101\n'
  const install = ['apt-get', 'install', '-y', '-q', '--no-install-recommends', ...packages]
  const env = { ...process.env, DEBIAN_FRONTEND: 'noninteractive' }
  const mend = `try \`${[...asRoot, 'apt-get', 'update'].join(' ')}\`, then the failed command by hand`
  try {
    if (isOurs && asRoot.length === 0) writeFileSync(noServices, script, { mode: 0o755 })
    else if (isOurs) {
      await run([
        ...asRoot,
        'sh',
        '-c',
        `printf %s "$1" > ${noServices}; chmod 755 ${noServices}`,
        'sh',
        script,
      ])
    }
    await run([...asRoot, 'env', 'DEBIAN_FRONTEND=noninteractive', ...install], { env, mend })
  } finally {
    if (isOurs && asRoot.length === 0) rmSync(noServices, { force: true })
    else if (isOurs) await run([...asRoot, 'rm', '-f', noServices])
  }
  if (!existsSync('/run/systemd/system')) return
  for (const service of ['nginx', 'haproxy', 'docker', 'containerd']) {
    if (!packages.some((name) => name.startsWith(service))) continue
    await run([...asRoot, 'systemctl', 'disable', service])
  }
}
