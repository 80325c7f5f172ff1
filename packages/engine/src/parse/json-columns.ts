import type { Program } from '../schema/program.ts'
import { align } from './kernel.ts'

/** What a column wants of a member, as kernel/scan/json.ts has it. */
const WANTS = { nothing: 0, text: 1, json: 2 } as const
const SLOT = 16

/** The columns of a source of JSON in the kernel's own form: where its parts are, behind `address`. */
export interface JsonColumns {
  /** To be put at the address. */
  bytes: Uint8Array
  names: number
  wants: number
  count: number
  places: number
  mask: number
  slots: number
}

/** Writes the keys that have a column for the kernel, to stand at `address`, with room for its lookup and its slots. */
export function compileJsonColumns({ sourceColumns, columns }: Program, address: number): JsonColumns {
  const keys = sourceColumns.map((name) => Buffer.from(name))
  const count = keys.length
  let size = 2
  while (size < 2 * count) size *= 2
  const wants = count * 8
  const places = align(wants + count, 16)
  const slots = places + size * 4
  const texts = slots + count * SLOT
  const bytes = Buffer.alloc(texts + keys.reduce((sum, key) => sum + key.length, 0) + 16)
  let at = texts
  for (const [index, key] of keys.entries()) {
    bytes.writeUInt32LE(address + at, index * 8)
    bytes.writeUInt32LE(key.length, index * 8 + 4)
    bytes.set(key, at)
    at += key.length
  }
  for (const { from, type } of columns) {
    if ('members' in from) for (const { cell } of from.members) bytes[wants + cell] = WANTS.json
    if ('cell' in from) bytes[wants + from.cell] = type.kind === 'json' ? WANTS.json : WANTS.text
  }
  return {
    bytes,
    names: address,
    wants: address + wants,
    count,
    places: address + places,
    mask: size - 1,
    slots: address + slots,
  }
}
