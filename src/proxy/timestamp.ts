// RFC 3339 time stamps at a rate that `Date` objects would feel.

const FRACTIONS = Array.from({ length: 1000 }, (_, ms) => `${String(ms).padStart(3, '0')}Z`)

/** Remembers the text of the last second and of the last millisecond. */
export class TimestampFormatter {
  #lastMs = NaN
  #lastText = ''
  #lastSecond = NaN
  #secondText = ''

  /** `epochMs` counts from 1970, UTC; fractions are cut. E.g. `2026-11-24T06:04:10.123Z`. */
  format(epochMs: number): string {
    if (epochMs === this.#lastMs) return this.#lastText
    const second = Math.floor(epochMs / 1000)
    if (second !== this.#lastSecond) {
      this.#lastSecond = second
      this.#secondText = new Date(second * 1000).toISOString().slice(0, -4)
    }
    this.#lastMs = epochMs
    this.#lastText = this.#secondText + (FRACTIONS[Math.floor(epochMs - second * 1000)] ?? '')
    return this.#lastText
  }
}
