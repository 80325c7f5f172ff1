import type { Program, ProgramColumn } from '../schema/program.ts'

/** A column that the kernel reads for a value that is made of several. */
export interface NamedColumn {
  /** What stands before its value. */
  label: string
  column: ProgramColumn
}

/** What is made of several cells of a record; see kernel/compose.ts. */
export interface Composed {
  content: NamedColumn[]
  members: NamedColumn[]
  /** Bytes that a byte of a cell may become, and bytes beyond them. */
  factor: number
  overhead: number
}

/** A control character of a cell is six bytes of JSON. */
const JSON_GROWTH = 6
/** Lengths, and texts of values that are longer than what is written. */
const VALUE_BYTES = 128

export function composedOf({ columns }: Program): Composed | null {
  const hash = columns.flatMap(({ from }) => ('hashOf' in from ? from.hashOf : []))
  const cells = columns.flatMap(({ from }) => ('members' in from ? from.members : []))
  if (!columns.some(({ from }) => 'hashOf' in from || 'members' in from)) return null
  const content = columns
    .filter(({ name }) => hash.includes(name))
    .sort((a, b) => (a.name < b.name ? -1 : 1))
    .map((column) => ({ label: column.name, column: contentOf(column) }))
  const members = cells.map(({ name, cell }, i) => ({
    label: `${i > 0 ? ',' : ''}${JSON.stringify(name)}:`,
    column: textColumn(name, { cell }),
  }))
  const labels = [...content, ...members].reduce((bytes, { label }) => bytes + Buffer.byteLength(label), 0)
  const constants = columns.reduce(
    (bytes, { from }) => bytes + ('constant' in from ? Buffer.byteLength(from.constant ?? '') : 0),
    0,
  )
  return {
    content,
    members,
    factor: members.length > 0 ? JSON_GROWTH : 1,
    overhead: labels + constants + (content.length + members.length + 1) * VALUE_BYTES,
  }
}

/** As what the column says of a value's meaning asks, without what it asks of the value: the column itself refuses it. */
function contentOf({ name, from, type, transforms, ...column }: ProgramColumn): ProgramColumn {
  const { formats, trueWords, falseWords, decimalChar, groupChar } = column
  const isText = type.kind === 'text' || type.kind === 'other' || type.kind === 'email'
  const more = isText ? (['trim', ...(type.kind === 'email' ? (['lowercase'] as const) : [])] as const) : []
  return {
    ...textColumn(name, from),
    type,
    transforms: [...transforms, ...more.filter((transform) => !transforms.includes(transform))],
    formats,
    trueWords,
    falseWords,
    decimalChar,
    groupChar,
  }
}

function textColumn(name: string, from: ProgramColumn['from']): ProgramColumn {
  return {
    name,
    from,
    type: { kind: 'text' },
    storage: 'pg-text',
    transforms: [],
    required: false,
    formats: [],
    trueWords: [],
    falseWords: [],
    decimalChar: '.',
    groupChar: null,
  }
}
