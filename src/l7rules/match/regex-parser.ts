// RE2 syntax -> tree. What the automaton cannot do in linear time (back-references, look-around) has no
// place in the syntax; \pN and \p{Greek} are refused, as requests reach us as ASCII.
// Grammar: https://github.com/google/re2/wiki/Syntax. Errors carry the texts that Go and RE2 users know.
import { foldAscii, foldUnicode, MAX_CODE_POINT, negate, normalise } from './char-class.ts'
import { PERL_CLASSES, POSIX_CLASSES, type Ranges } from './char-class.ts'
import { MAX_NESTING, MAX_REPEAT } from './limits.ts'
import { EMPTY, type Assertion, type RegexNode } from './regex-ast.ts'
import { regexError } from './regex-error.ts'

export interface ParseOptions {
  /**
   * For texts that are compared without ASCII case: the tree is made for input in lower case, its classes
   * hold no A-Z, and `(?-i)` does not switch it off.
   */
  readonly lowerCase?: boolean
}

/** @throws WeirError REGEX_INVALID with pattern, position and mend. */
export function parseRegex(pattern: string, options: ParseOptions = {}): RegexNode {
  return new RegexParser(pattern, options.lowerCase === true).parse()
}

interface Flags {
  readonly fold: boolean
  readonly multiLine: boolean
  readonly dotAll: boolean
}

interface Parsed {
  readonly node: RegexNode
  readonly height: number
}

const NOT_NEWLINE: Ranges = [0, 0x09, 0x0b, MAX_CODE_POINT]
const ANY: Ranges = [0, MAX_CODE_POINT]
const LETTER_ASSERTIONS: ReadonlyMap<string, Assertion> = new Map([
  ['A', 'beginText'],
  ['z', 'endText'],
  ['b', 'word'],
  ['B', 'notWord'],
])
const CONTROL_ESCAPES: ReadonlyMap<string, number> = new Map([
  ['a', 0x07],
  ['f', 0x0c],
  ['n', 0x0a],
  ['r', 0x0d],
  ['t', 0x09],
  ['v', 0x0b],
])

class RegexParser {
  readonly #pattern: string
  readonly #lowerCase: boolean
  readonly #names = new Set<string>()
  #at = 0
  #depth = 0
  #flags: Flags = { fold: false, multiLine: false, dotAll: false }

  constructor(pattern: string, lowerCase: boolean) {
    this.#pattern = pattern
    this.#lowerCase = lowerCase
  }

  parse(): RegexNode {
    const { node } = this.#alternation()
    if (this.#at < this.#pattern.length) this.#fail('unexpected )', this.#at)
    return node
  }

  /** Up to the closing parenthesis or the end. */
  #alternation(): Parsed {
    const options = [this.#concatenation()]
    while (this.#take('|')) options.push(this.#concatenation())
    const [only] = options
    if (options.length === 1 && only !== undefined) return only
    return this.#above(options, { kind: 'alternate', options: options.map(({ node }) => node) })
  }

  #concatenation(): Parsed {
    const parts: Parsed[] = []
    let repeatedFrom = -1
    while (this.#at < this.#pattern.length && !this.#sees('|') && !this.#sees(')')) {
      const start = this.#at
      const count = this.#repeatOperator()
      if (count !== undefined) {
        this.#repeat(parts, count, start, repeatedFrom)
        repeatedFrom = start
      } else {
        this.#atom(parts)
        repeatedFrom = -1
      }
    }
    const [only] = parts
    if (only === undefined) return { node: EMPTY, height: 1 }
    if (parts.length === 1) return only
    return this.#above(parts, { kind: 'concat', parts: parts.map(({ node }) => node) })
  }

  #repeat(parts: Parsed[], count: readonly [number, number], start: number, repeatedFrom: number): void {
    this.#take('?') // Lazy: the same set of whole strings.
    const from = repeatedFrom < 0 ? start : repeatedFrom
    const operator = JSON.stringify(this.#pattern.slice(from, this.#at))
    if (repeatedFrom >= 0) this.#fail(`invalid nested repetition operator: ${operator}`, from)
    const last = parts.pop()
    if (last === undefined) this.#fail(`missing argument to repetition operator: ${operator}`, start)
    const node: RegexNode = { kind: 'repeat', body: last.node, min: count[0], max: count[1] }
    const isLarge = count[0] >= 2 || (count[1] >= 2 && count[1] !== Infinity)
    if (isLarge && copies(node) > MAX_REPEAT) this.#fail(`invalid repeat count: ${operator}`, start)
    parts.push(this.#above([last], node))
  }

  /** Consumes * + ? {n} {n,} {n,m}; undefined, and nothing consumed, when none is here. */
  #repeatOperator(): readonly [min: number, max: number] | undefined {
    if (this.#take('*')) return [0, Infinity]
    if (this.#take('+')) return [1, Infinity]
    if (this.#take('?')) return [0, 1]
    const counted = /\{(0|[1-9][0-9]*)(?:(,)(0|[1-9][0-9]*)?)?\}/y
    counted.lastIndex = this.#at
    const match = counted.exec(this.#pattern)
    if (match === null) return undefined
    const min = Number(match[1])
    const max = match[3] !== undefined ? Number(match[3]) : match[2] === undefined ? min : Infinity
    if (min > MAX_REPEAT || (max > MAX_REPEAT && max !== Infinity) || min > max) {
      this.#fail(`invalid repeat count: ${JSON.stringify(match[0])}`, this.#at)
    }
    this.#at += match[0].length
    return [min, max]
  }

  /** One thing that a repetition can follow; flag groups add nothing, \Q...\E one per character. */
  #atom(parts: Parsed[]): void {
    const start = this.#at
    if (this.#sees('(')) {
      const group = this.#group()
      if (group !== undefined) parts.push(group)
      return
    }
    if (this.#take('[')) return void parts.push(leaf(this.#class(start)))
    if (this.#take('.')) return void parts.push(leaf(this.#set(this.#flags.dotAll ? ANY : NOT_NEWLINE)))
    if (this.#take('^')) return void parts.push(assertion(this.#flags.multiLine ? 'beginLine' : 'beginText'))
    if (this.#take('$')) return void parts.push(assertion(this.#flags.multiLine ? 'endLine' : 'endText'))
    if (this.#take('\\Q')) return this.#quoted(parts)
    if (this.#sees('\\')) return void parts.push(this.#escape())
    parts.push(this.#literal(this.#codePoint()))
  }

  #quoted(parts: Parsed[]): void {
    const end = this.#pattern.indexOf('\\E', this.#at)
    const stop = end < 0 ? this.#pattern.length : end
    while (this.#at < stop) parts.push(this.#literal(this.#codePoint()))
    if (end >= 0) this.#at += 2
  }

  #escape(): Parsed {
    const letter = this.#pattern[this.#at + 1] ?? ''
    const at = LETTER_ASSERTIONS.get(letter)
    if (at !== undefined) {
      this.#at += 2
      return assertion(at)
    }
    const named = this.#perlClass()
    return named === undefined ? this.#literal(this.#escapedPoint()) : leaf(this.#set(named))
  }

  #group(): Parsed | undefined {
    const start = this.#at
    const outer = this.#flags
    this.#at++
    if (this.#sees('?')) {
      const isScoped = this.#groupHead(start)
      if (!isScoped) return undefined
    }
    if (++this.#depth > MAX_NESTING) this.#fail('expression nests too deeply', start)
    const inner = this.#alternation()
    this.#depth--
    if (!this.#take(')')) this.#fail('missing closing )', start)
    this.#flags = outer
    return inner
  }

  /** After `(`: a name or flags. False for `(?flags)`, which is complete and rules the rest of its group. */
  #groupHead(start: number): boolean {
    const rest = this.#pattern.slice(this.#at)
    const name = /^\?P?<([^>]*)>/.exec(rest)
    if (name?.[1] !== undefined) {
      const wrong = !/^\w+$/.test(name[1]) ? 'invalid named capture' : ''
      const problem = wrong === '' && this.#names.has(name[1]) ? 'duplicate capture group name' : wrong
      if (problem !== '') this.#fail(`${problem}: ${JSON.stringify(`(${name[0]}`)}`, start)
      this.#names.add(name[1])
      this.#at += name[0].length
      return true
    }
    const head = /^\?([imsU]*)(?:-([imsU]+))?([:)])/.exec(rest)
    if (head === null) {
      const shown = /^\?(?:<[=!]|.)?/su.exec(rest)?.[0] ?? ''
      this.#fail(`invalid or unsupported Perl syntax: ${JSON.stringify(`(${shown}`)}`, start)
    }
    this.#at += head[0].length
    this.#setFlags(head[1] ?? '', true)
    this.#setFlags(head[2] ?? '', false)
    return head[3] === ':'
  }

  #setFlags(letters: string, value: boolean): void {
    const { fold, multiLine, dotAll } = this.#flags
    this.#flags = {
      fold: letters.includes('i') ? value : fold,
      multiLine: letters.includes('m') ? value : multiLine,
      dotAll: letters.includes('s') ? value : dotAll,
    }
  }

  /** After `[`, which is at `start`. */
  #class(start: number): RegexNode {
    const isNegated = this.#take('^')
    const ranges: number[] = []
    for (let isFirst = true; isFirst || !this.#sees(']'); isFirst = false) {
      if (this.#at >= this.#pattern.length) this.#fail('missing closing ]', start)
      ranges.push(...(this.#posixClass() ?? this.#perlClass() ?? this.#classRange(start)))
    }
    this.#at++
    return this.#set(isNegated ? negate(normalise(ranges)) : ranges)
  }

  #classRange(start: number): Ranges {
    const from = this.#at
    const low = this.#classPoint(start)
    let high = low
    if (this.#sees('-') && this.#pattern[this.#at + 1] !== ']') {
      this.#at++
      high = this.#classPoint(start)
      if (high < low) {
        const text = JSON.stringify(this.#pattern.slice(from, this.#at))
        this.#fail(`invalid character class range: ${text}`, from)
      }
    }
    return this.#folded([low, high])
  }

  #classPoint(start: number): number {
    if (this.#at >= this.#pattern.length) this.#fail('missing closing ]', start)
    return this.#sees('\\') ? this.#escapedPoint() : this.#codePoint()
  }

  /** `[:name:]` inside a class; a `[:` that no `:]` follows is an ordinary bracket. */
  #posixClass(): Ranges | undefined {
    if (!this.#sees('[:')) return undefined
    const end = this.#pattern.indexOf(':]', this.#at + 1)
    if (end < 0) return undefined
    const text = this.#pattern.slice(this.#at, end + 2)
    const isNegated = text[2] === '^'
    const ranges = POSIX_CLASSES.get(text.slice(isNegated ? 3 : 2, -2))
    if (ranges === undefined) this.#fail(`invalid character class range: ${JSON.stringify(text)}`, this.#at)
    this.#at = end + 2
    return isNegated ? negate(this.#folded(ranges)) : this.#folded(ranges)
  }

  /** \d \D \s \S \w \W here; undefined, and nothing consumed, otherwise. */
  #perlClass(): Ranges | undefined {
    if (!this.#sees('\\')) return undefined
    const letter = this.#pattern[this.#at + 1] ?? ''
    if (letter === 'p' || letter === 'P') {
      this.#fail(`Unicode classes such as \\p are not supported`, this.#at)
    }
    const ranges = PERL_CLASSES.get(letter.toLowerCase())
    if (ranges === undefined) return undefined
    this.#at += 2
    const folded = this.#folded(ranges)
    return letter === letter.toLowerCase() ? folded : negate(folded)
  }

  /** A backslash and what it stands for, as one code point. */
  #escapedPoint(): number {
    const start = this.#at
    const rest = this.#pattern.slice(start + 1, start + 16)
    if (rest === '') this.#fail('trailing backslash at end of expression', start)
    // \1 to \9 alone would be back-references.
    const octal = /^(?:0[0-7]{0,2}|[1-7][0-7]{1,2})/.exec(rest)
    if (octal !== null) return this.#skip(1 + octal[0].length, Number.parseInt(octal[0], 8))
    const hex = /^x(?:([0-9A-Fa-f]{2})|\{([0-9A-Fa-f]+)\})/.exec(this.#pattern.slice(start + 1))
    if (hex !== null) {
      const point = Number.parseInt(hex[1] ?? hex[2] ?? '', 16)
      if (point <= MAX_CODE_POINT) return this.#skip(1 + hex[0].length, point)
    }
    const letter = String.fromCodePoint(rest.codePointAt(0) ?? 0)
    const control = CONTROL_ESCAPES.get(letter)
    if (control !== undefined) return this.#skip(2, control)
    if (letter <= '\x7f' && !/[0-9A-Za-z]/.test(letter)) return this.#skip(2, letter.charCodeAt(0))
    const hint = /[1-9]/.test(letter) ? ' (back-references are not regular)' : ''
    return this.#fail(`invalid escape sequence: ${JSON.stringify(`\\${letter}`)}${hint}`, start)
  }

  #literal(point: number): Parsed {
    if (!this.#flags.fold && !this.#lowerCase) return literalLeaf(point)
    return leaf(this.#set(this.#folded([point, point])))
  }

  #folded(ranges: Ranges): Ranges {
    const unicode = this.#flags.fold ? foldUnicode(ranges) : ranges
    return this.#lowerCase ? foldAscii(unicode) : unicode
  }

  /** The class node of `ranges`, which are folded already. */
  #set(ranges: Ranges): RegexNode {
    if (!this.#lowerCase) return { kind: 'class', ranges: normalise(ranges) }
    const upperCase = [0x41, 0x5a]
    return { kind: 'class', ranges: negate(normalise([...negate(normalise(ranges)), ...upperCase])) }
  }

  #codePoint(): number {
    const point = this.#pattern.codePointAt(this.#at) ?? 0
    if (point >= 0xd800 && point <= 0xdfff) this.#fail('lone surrogate: not valid Unicode', this.#at)
    return this.#skip(point > 0xffff ? 2 : 1, point)
  }

  #above(children: readonly Parsed[], node: RegexNode): Parsed {
    const height = 1 + children.reduce((highest, child) => Math.max(highest, child.height), 0)
    if (height > MAX_NESTING) this.#fail('expression nests too deeply', this.#at)
    return { node, height }
  }

  #sees(text: string): boolean {
    return this.#pattern.startsWith(text, this.#at)
  }

  #take(text: string): boolean {
    const isHere = this.#sees(text)
    if (isHere) this.#at += text.length
    return isHere
  }

  #skip(units: number, value: number): number {
    this.#at += units
    return value
  }

  #fail(reason: string, position: number): never {
    throw regexError(this.#pattern, reason, position)
  }
}

function leaf(node: RegexNode): Parsed {
  return { node, height: 1 }
}

const ASCII_LEAVES: readonly Parsed[] = Array.from({ length: 0x80 }, (_, point) =>
  leaf({ kind: 'class', ranges: [point, point] }),
)

/** Most characters of most patterns: shared. */
function literalLeaf(point: number): Parsed {
  return ASCII_LEAVES[point] ?? leaf({ kind: 'class', ranges: [point, point] })
}

function assertion(at: Assertion): Parsed {
  return leaf({ kind: 'assert', at })
}

/** How often nested counted repeats write their innermost body out. */
function copies(node: RegexNode): number {
  switch (node.kind) {
    case 'repeat': {
      const own = node.max === Infinity ? node.min : node.max
      return node.max === 0 ? 1 : Math.max(own, 1) * copies(node.body)
    }
    case 'concat':
      return node.parts.reduce((most, part) => Math.max(most, copies(part)), 1)
    case 'alternate':
      return node.options.reduce((most, option) => Math.max(most, copies(option)), 1)
    case 'empty':
    case 'class':
    case 'assert':
      return 1
  }
}
