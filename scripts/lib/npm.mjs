// node_modules against package-lock.json, without asking npm.
import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { ROOT, run } from './steps.mjs'

/**
 * `npm ci` if node_modules is not what package-lock.json says. npm writes node_modules/.package-lock.json
 * after everything else, so an installation that was cut short does not match either.
 * @returns {Promise<string>} what was done
 */
export async function installPackages() {
  if (isInstalled()) return 'up to date'
  await run(['npm', 'ci', '--no-audit', '--no-fund'], {
    mend: 'check that npm reaches its registry (`npm ping`), then try again',
  })
  return 'npm ci'
}

function isInstalled() {
  const hidden = join(ROOT, 'node_modules', '.package-lock.json')
  if (!existsSync(hidden)) return false
  const { '': _root, ...wanted } = readPackages(join(ROOT, 'package-lock.json'))
  const present = readPackages(hidden)
  const isRight = ([path, entry]) =>
    path in present ? present[path].version === entry.version : entry.optional === true
  return Object.entries(wanted).every(isRight) && Object.keys(present).every((path) => path in wanted)
}

function readPackages(path) {
  return JSON.parse(readFileSync(path, 'utf8')).packages
}
