import type { ProgramColumn } from '../../src/schema/program.ts'

/** A column that asks nothing of its cells: by default the text of the first one, for PostgreSQL. */
export function columnOf(given: Partial<ProgramColumn> = {}): ProgramColumn {
  return {
    name: 'value',
    from: { cell: 0 },
    type: { kind: 'text' },
    storage: 'pg-text',
    transforms: [],
    required: false,
    formats: [],
    trueWords: [],
    falseWords: [],
    decimalChar: '.',
    groupChar: null,
    ...given,
  }
}
