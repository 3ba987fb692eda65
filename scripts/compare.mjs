// `npm run compare [-- --quick] [--only MODE,...]`: set-up, then bench/compare, as root.
import { spawnSync } from 'node:child_process'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'
import { findClang, findTool } from './lib/debian.mjs'
import { printFailure, ROOT, StepError } from './lib/steps.mjs'
import { setUp } from './setup.mjs'

const TOOLS = ['wrk', 'nginx', 'iptables', 'ip6tables', 'nft', 'ethtool', 'curl']
const USAGE = `usage: npm run compare -- [--quick] [--only MODE[,MODE...]]

  --quick  one short round of each measurement, within 3 minutes; docs/redirects.md stays as it is
  --only   iptables-redirect, iptables-tproxy, nat, tproxy, sk_assign, sk_lookup, hybrid
`

// Sockets of servers that were killed with their namespaces would keep the process alive.
try {
  process.exit(await main(process.argv.slice(2)))
} catch (error) {
  printFailure(error)
  process.exit(1)
}

async function main(args) {
  let values
  try {
    values = parseArgs({
      args,
      options: {
        quick: { type: 'boolean', default: false },
        only: { type: 'string', default: '' },
        'no-setup': { type: 'boolean', default: false },
        help: { type: 'boolean', default: false },
      },
    }).values
  } catch (error) {
    process.stderr.write(`${error.message}\n\n${USAGE}`)
    return 2
  }
  if (values.help) {
    process.stdout.write(USAGE)
    return 0
  }
  if (!values['no-setup']) await setUp({ tests: true })
  if (process.getuid() !== 0) return runAsRoot(args)
  for (const tool of TOOLS) {
    if (findTool(tool) !== undefined) continue
    throw new StepError(`missing: ${tool}`, { mend: `install it, e.g. apt-get install ${tool}` })
  }
  const { runCompare } = await import(join(ROOT, 'dist', 'bench', 'compare', 'main.js'))
  const only = values.only.split(',').filter(Boolean)
  await runCompare({ isQuick: values.quick, only, clang: findClang('clang') })
  return 0
}

/** Network namespaces and BPF need root; installing and building did not. */
function runAsRoot(args) {
  console.log('the comparison makes network namespaces and loads BPF programs: going on with sudo')
  const command = [process.execPath, fileURLToPath(import.meta.url), '--no-setup', ...args]
  const { status, error } = spawnSync('sudo', ['--', ...command], { cwd: ROOT, stdio: 'inherit' })
  if (error) throw new StepError(`sudo: ${error.message}`, { mend: 'run `npm run compare` as root' })
  return status ?? 1
}
