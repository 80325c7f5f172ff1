import type { Field } from './field.ts'
import { type ColumnEvidence, inferSchema, type SampleCell } from './infer.ts'
import { fitsInteger } from './literal.ts'
import type { TableSchema } from './table-schema.ts'

/** A value of the sample: a cell, and what it is in JSON. */
export interface SampleValue extends SampleCell {
  kind?: 'string' | 'number' | 'boolean' | 'null' | 'nested' | 'extra'
}

/** Types that a string can have without being read as another kind of value. */
const OF_STRINGS = new Set(['date', 'datetime', 'uuid'])
/** As numeric keeps it: every digit, and no sign of a zero. */
const NUMBER = /^-?(\d+)(?:\.(\d+))?(?:[eE]([+-]?\d{1,6}))?$/
const DIGITS = { before: 131_072, after: 16_383 }

/**
 * Infers a schema from sample records of JSON. The law is that of {@link inferSchema}: no value changes. Numbers are numbers and strings
 * are strings, whatever they look like, and values of several kinds stay JSON, in which 1 and "1" are two things.
 *
 * @param header the columns
 * @param records a cell for each column
 */
export function inferJsonSchema(
  header: readonly string[],
  records: Iterable<readonly SampleValue[]>,
): { schema: TableSchema; evidence: ColumnEvidence[] } {
  const kinds = header.map(() => new Set<SampleValue['kind']>())
  const whole = header.map(() => true)
  const exact = header.map(() => true)
  const noted = function* (): Generator<readonly SampleValue[]> {
    for (const cells of records) {
      for (const [column, { kind, text }] of cells.entries()) {
        if (kind === 'null') continue
        kinds[column]?.add(kind)
        if (kind !== 'number') continue
        whole[column] &&= /^-?[1-9]\d*$|^0$/.test(text) && fitsInteger(text, 8)
        exact[column] &&= isExact(text)
      }
      yield cells
    }
  }
  const { schema, evidence } = inferSchema(header, noted())
  const typeOf = (column: number, inferred: Omit<Field, 'name'>): Omit<Field, 'name'> => {
    const [kind, ...others] = kinds[column]!
    if (kind === undefined) return { type: 'string' }
    if (others.length > 0 || kind === 'nested') return { type: 'json' }
    if (kind === 'boolean') return { type: 'boolean' }
    if (kind === 'number') return { type: whole[column] ? 'integer' : exact[column] ? 'number' : 'json' }
    return OF_STRINGS.has(inferred.type ?? '') ? inferred : { type: 'string' }
  }
  const fields = schema.fields.map(({ name, ...inferred }) => {
    const column = header.findIndex((one) => one.trim() === name)
    return { name, ...typeOf(column, inferred) }
  })
  const told = evidence.map((one) => {
    const type = fields.find(({ name }) => name === one.name)?.type ?? 'string'
    const found = [...kinds[header.findIndex((name) => name.trim() === one.name)]!].join(' and ')
    return { ...one, type, because: found === '' ? 'no value in the sample' : `${found} in the sample` }
  })
  return { schema: { ...schema, fields }, evidence: told }
}

function isExact(text: string): boolean {
  const [, before = '', after = '', exponent = '0'] = NUMBER.exec(text) ?? []
  if (before === '' || (text.startsWith('-') && !/[1-9]/.test(before + after))) return false
  const shift = Number(exponent)
  return before.length + shift <= DIGITS.before && after.length - shift <= DIGITS.after
}
