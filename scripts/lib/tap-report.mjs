// Reads the TAP that the runner prints, test file by test file, and turns it into readable lines.

/**
 * @param {(line: string) => void} print
 * @returns {{write(line: string): void, totals(): {passed: number, failed: number, skipped: number} | undefined}}
 *   `totals` is undefined when the stream ended before the runner's own summary: then it has crashed.
 */
export function createTapReport(print) {
  let block = []
  let totals
  return {
    write(line) {
      const summary = /^# \{ (total: .*) \}$/.exec(line)
      if (summary) totals = readTotals(summary[1])
      if (/^\s/.test(line)) return void block.push(line)
      const result = /^(not )?ok \d+ - (.*?)(?: # time=([\d.]+)ms)?(?: \{)?$/.exec(line)
      if (!result) return
      const [, not, file, ms = '0'] = result
      print(`${not ? 'FAIL' : 'pass'}  ${file}  ${(Number(ms) / 1000).toFixed(1)} s`)
      for (const skipped of skips(block)) print(`        skipped: ${skipped}`)
      if (not) for (const detail of failures(block)) print(`        ${detail}`)
      block = []
    },
    totals: () => totals,
  }
}

function readTotals(text) {
  const count = (key) => Number(new RegExp(`\\b${key}: (\\d+)`).exec(text)?.[1] ?? 0)
  return { passed: count('pass'), failed: count('fail'), skipped: count('skip') + count('todo') }
}

function skips(block) {
  return block.flatMap((line) => /^\s+ok \d+ - (.* # (?:SKIP|TODO).*)$/.exec(line)?.[1] ?? [])
}

/** Comments, and names and diagnostics of failed points; a test that failed only by its parts is left out. */
function failures(block) {
  const details = []
  const names = []
  const hasFailedPart = []
  for (let i = 0; i < block.length; i++) {
    const line = block[i]
    if (line.trim() === '---') {
      i = endOfDiagnostics(block, i)
      continue
    }
    const comment = /^\s+# (?!Subtest: |time=)(.*)$/.exec(line)
    if (comment) details.push(`# ${comment[1]}`)
    const depth = indentation(line) / 4
    const opened = /^\s+# Subtest: (.*)$/.exec(line)
    if (opened) {
      names[depth] = opened[1]
      hasFailedPart[depth + 1] = false
      continue
    }
    const failed = /^\s+not ok \d+ - (.*?)(?: # time=.*)?$/.exec(line)
    if (!failed || /# (TODO|SKIP)/.test(line)) continue
    for (let above = 1; above <= depth; above++) hasFailedPart[above] = true
    if (hasFailedPart[depth + 1]) {
      hasFailedPart[depth + 1] = false
      continue
    }
    details.push([...names.slice(1, depth), failed[1]].join(' > '))
    details.push(...diagnostics(block, i + 1))
  }
  return details
}

/** Keys of diagnostics that say nothing which message, diff and stack do not say shorter. */
const NOISE = /^(at|source|generated|compare|callSite|columnNumber|typeName):/

/** The YAML block that follows a point, without its frame and without noise. */
function diagnostics(block, start) {
  if (block[start]?.trim() !== '---') return []
  const end = endOfDiagnostics(block, start)
  const frame = indentation(block[start])
  const lines = []
  let noiseIndentation
  for (const line of block.slice(start + 1, end)) {
    const isInside =
      line.trim() === '' || (noiseIndentation !== undefined && indentation(line) > noiseIndentation)
    if (noiseIndentation !== undefined && isInside) continue
    noiseIndentation = NOISE.test(line.trim()) ? indentation(line) : undefined
    if (noiseIndentation === undefined) lines.push(`    ${line.slice(frame)}`)
  }
  return lines
}

function endOfDiagnostics(block, start) {
  const end = block.findIndex((line, i) => i > start && line.trim() === '...')
  return end < 0 ? block.length : end
}

function indentation(line) {
  return line.length - line.trimStart().length
}
