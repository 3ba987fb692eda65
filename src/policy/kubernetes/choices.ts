// Values and mappings that are one of several.
import type { Cursor } from '../yaml-cursor.ts'

export function oneOf<T>(at: Cursor, table: Readonly<Record<string, T>>): T | undefined {
  const text = at.string()
  if (text === undefined) return undefined
  return Object.hasOwn(table, text)
    ? table[text]
    : at.fail('is not known here', `use ${Object.keys(table).join(', ')}`)
}

/** Kubernetes calls such a mapping a union. */
export function hasOneField(at: Cursor): boolean {
  const names = at.entries()?.map(([name]) => name) ?? []
  if (names.length === 1) return true
  at.fail(names.length === 0 ? 'is empty' : `holds ${names.join(' and ')}`, 'exactly one field is wanted')
  return false
}
