// The layouts declared in TypeScript against the type information that clang wrote for bpf/include/layout.h.
import { join } from 'node:path'
import t from 'tap'
import { MAX_WORKERS } from '../../src/lib/limits.ts'
import { packageRoot } from '../../src/lib/paths.ts'
import * as layouts from '../../src/redirect/layouts.ts'
import type { FieldLayout } from '../../src/redirect/layouts.ts'
import { readBtf, type BtfMember } from '../helpers/btf.ts'

const btf = readBtf(join(packageRoot(), 'dist', 'bpf', 'layout_check.bpf.o'))

/** C element types that each field type stands for: byte order lives in their names. */
const C_TYPES: Record<string, readonly string[]> = {
  u8: ['__u8'],
  u16: ['__u16'],
  u32: ['__u32'],
  u64: ['__u64'],
  be16: ['__be16'],
  address: ['__be32'],
  pad8: ['__u8'],
  pad16: ['__u16'],
  pad24: ['__u8'],
  pad32: ['__u32'],
}

const declared = Object.values(layouts).filter(
  (value): value is (typeof layouts)['tupleLayout'] => typeof value === 'object' && 'fields' in value,
)

/** Members with those of nested structures in their place, as `inner_member` if the name is taken. */
function flatten(members: readonly BtfMember[], base = 0, outer = ''): BtfMember[] {
  return members.flatMap((member) => {
    const inner = btf.structs.get(member.typeName)
    const name = member.name === 'pad' && outer !== '' ? `${outer}_pad` : member.name
    if (inner === undefined) return [{ ...member, name, offset: base + member.offset }]
    return flatten(inner.members, base + member.offset, member.name)
  })
}

t.test('every shared structure is declared on both sides with the same fields', (t) => {
  const names = new Set(declared.map((layout) => layout.name))
  for (const layout of declared) {
    const struct = btf.structs.get(layout.name)
    t.ok(struct, `${layout.name} exists in layout.h`)
    if (struct === undefined) continue
    t.equal(layout.bytes, struct.bytes, `${layout.name}: size`)
    const members = flatten(struct.members)
    const mine = layout.fields.map(({ name, offset, bytes }: FieldLayout) => ({ name, offset, bytes }))
    const theirs = members.map(({ name, offset, bytes }) => ({ name, offset, bytes }))
    t.same(mine, theirs, `${layout.name}: fields, offsets, sizes`)
    layout.fields.forEach((field: FieldLayout, i: number) => {
      const cType = members[i]?.typeName ?? ''
      t.ok(C_TYPES[field.type]?.includes(cType), `${layout.name}.${field.name}: ${field.type} is ${cType}`)
    })
  }
  for (const name of btf.structs.keys()) {
    // Only the kernel reads or writes flow state.
    if (name.startsWith('weir_') && name !== 'weir_ct_entry')
      t.ok(names.has(name), `${name} is declared in layouts.ts`)
  }
  t.end()
})

t.test('enums agree in both directions', (t) => {
  const reasons = layouts.DROP_REASONS.map(([name], i): [string, number] => [`WEIR_REASON_${name}`, i])
  reasons.push(['WEIR_REASON_COUNT', reasons.length])
  t.same([...(btf.enums.get('weir_reason') ?? [])], reasons)
  t.same(Object.fromEntries(btf.enums.get('weir_verdict') ?? []), {
    WEIR_VERDICT_DENY: layouts.VERDICT.deny,
    WEIR_VERDICT_ALLOW: layouts.VERDICT.allow,
    WEIR_VERDICT_REDIRECT: layouts.VERDICT.redirect,
    WEIR_VERDICT_AUDIT: layouts.VERDICT.audit,
  })
  t.same(Object.fromEntries(btf.enums.get('weir_direction') ?? []), {
    WEIR_INGRESS: layouts.DIRECTION.ingress,
    WEIR_EGRESS: layouts.DIRECTION.egress,
  })
  t.match(Object.fromEntries(btf.enums.get('weir_constant') ?? []), {
    WEIR_MAX_WORKERS: MAX_WORKERS,
    WEIR_LISTENER_IPV6: layouts.LISTENER_IPV6,
    WEIR_POLICY_FIXED_BITS: layouts.POLICY_FIXED_BITS,
    WEIR_POLICY_PROTOCOL_BITS: layouts.POLICY_PROTOCOL_BITS,
    WEIR_PROXY_PORT: layouts.PROXY_PORT,
  })
  t.same(
    Object.fromEntries(btf.enums.get('weir_redirect') ?? []),
    Object.fromEntries(
      Object.entries(layouts.REDIRECT).map(([mode, number]) => [
        `WEIR_REDIRECT_${mode.toUpperCase()}`,
        number,
      ]),
    ),
  )
  t.match(Object.fromEntries(btf.enums.get('weir_mark') ?? []), {
    WEIR_MARK_MASK: layouts.MARK_MASK,
    WEIR_MARK_TO_PROXY: layouts.MARK_TO_PROXY,
    WEIR_MARK_UPSTREAM: layouts.MARK_UPSTREAM,
    WEIR_MARK_DOWNSTREAM: layouts.MARK_DOWNSTREAM,
    WEIR_MARK_REPLY: layouts.MARK_REPLY,
  })
  t.end()
})

t.test('encode and decode are inverse', (t) => {
  const values = {
    source: Uint8Array.from({ length: 16 }, (_, i) => i),
    destination: Uint8Array.from({ length: 16 }, (_, i) => 255 - i),
    source_port: 1,
    destination_port: 0xfffe,
    protocol: 6,
  }
  const bytes = layouts.tupleLayout.encode(values)
  t.equal(bytes.readUInt16BE(34), 0xfffe, 'ports are in network order')
  t.same(layouts.tupleLayout.decode(bytes), values)
  t.end()
})
