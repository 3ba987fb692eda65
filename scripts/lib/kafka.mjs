// Apache Kafka for the tests: the jars that test/fixtures/kafka/pom.xml names, copied from Maven Central to lib/ beside it.
import { createHash } from 'node:crypto'
import { existsSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { findTool } from './debian.mjs'
import { ROOT, run, StepError } from './steps.mjs'

const FOLDER = join(ROOT, 'test', 'fixtures', 'kafka')
const POM = join(FOLDER, 'pom.xml')
const LIB = join(FOLDER, 'lib')
/** Of the pom.xml that lib/ was made from. */
const STAMP = join(LIB, 'pom.sha256')
const MIN_JAVA = 17
/** A registry that answers slowly once should not fail a run. */
const ATTEMPTS = 3

/**
 * Does nothing when lib/ is what pom.xml says. Without Java or Maven, or without a network, the tests with a real
 * broker are left out; with CI=true that is a failure.
 * @returns {Promise<string>} what was done
 */
export async function installKafka() {
  const wanted = createHash('sha256').update(readFileSync(POM)).digest('hex')
  try {
    await requireJava()
    if (existsSync(STAMP) && readFileSync(STAMP, 'utf8') === wanted) return 'up to date'
    await copyJars(wanted)
    return 'from Maven Central'
  } catch (error) {
    if (process.env.CI === 'true' || !(error instanceof StepError)) throw error
    return `left out, so are the tests with a real broker: ${error.message}`
  }
}

async function requireJava() {
  const mend = `install a JRE >= ${MIN_JAVA} and Maven, e.g. apt-get install openjdk-17-jre-headless maven`
  for (const tool of ['java', 'mvn'])
    if (findTool(tool) === undefined) throw new StepError(`missing: ${tool}`, { mend })
  const version = /version "(\d+)/.exec(await run(['java', '-version']))?.[1]
  if (Number(version) >= MIN_JAVA) return
  throw new StepError(`\`java\` is version ${version}, and Kafka 4 needs ${MIN_JAVA}`, { mend })
}

/** Into another folder first: one that was cut short is not taken for complete. */
async function copyJars(wanted) {
  const fresh = `${LIB}.new`
  const command = ['mvn', '--batch-mode', '--file', POM, 'dependency:copy-dependencies']
  for (let attempt = 1; ; attempt++) {
    rmSync(fresh, { recursive: true, force: true })
    try {
      await run([...command, `-DoutputDirectory=${fresh}`], {
        mend: 'check that Maven reaches Maven Central or the mirror in ~/.m2/settings.xml, then try again',
        onOutput: showDownloads,
      })
      break
    } catch (error) {
      if (attempt === ATTEMPTS) throw error
    }
  }
  rmSync(LIB, { recursive: true, force: true })
  renameSync(fresh, LIB)
  writeFileSync(STAMP, wanted)
}

/** A dot for each jar. */
function showDownloads(text) {
  const jars = text.match(/^Downloaded from .*\.jar /gm)?.length ?? 0
  process.stdout.write('.'.repeat(jars))
}
