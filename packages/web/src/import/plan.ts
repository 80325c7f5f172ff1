import { readDelimited } from '../file/delimited.ts'
import { type ColumnType, type Guess, inferColumn, type Problem } from '../file/infer.ts'
import type { Sample } from '../file/sample.ts'
import { delimiterOf, type Format, formatOf, hasHeader, MOST_RECORDS, readObjects } from '../file/sniff.ts'

export interface Column {
  /** Its place in the file; names may come twice. */
  at: number
  header: string
  take: boolean
  target: string
  type: ColumnType
  /** strptime pattern of a date or time; empty: ISO 8601. */
  dateFormat: string
  guess: Guess
  samples: string[]
  problems: Problem[]
}

/** What the browser sees in the sample. */
export interface View {
  format: Format
  delimiter: string
  header: boolean
  columns: Column[]
  rows: string[][]
  /** The sample's whole records, as the trial run gets them: UTF-8, and lines where the file is JSON. */
  whole: string
}

/** What the user says of the target. */
export interface Target {
  table: string
  profile: string
  key: string[]
  onConflict: 'reject' | 'skip' | 'update'
  dedupe: 'none' | 'key' | 'content' | 'content:count'
  replace: boolean
  atomic: boolean
  maxErrors: string
}

/** @param said what the user says; the rest is found out */
export function look({ text, complete }: Sample, said: { delimiter?: string; header?: boolean }): View {
  const plain = text.replace(/^\ufeff/, '')
  const format = said.delimiter === undefined ? formatOf(plain) : 'delimited'
  if (format !== 'delimited') {
    const { keys, rows, lines } = readObjects(plain, format)
    return { format, delimiter: ',', header: true, columns: columnsOf(keys, rows), rows, whole: lines }
  }
  const delimiter = said.delimiter ?? delimiterOf(plain)
  const { records, end } = readDelimited(plain, { delimiter, limit: MOST_RECORDS }, complete)
  const cells = records.map((record) => record.map((cell) => cell.text))
  const header = said.header ?? hasHeader(cells)
  const width = Math.max(0, ...cells.slice(0, 50).map(({ length }) => length))
  const names = header ? (cells[0] ?? []) : Array.from({ length: width }, (_, i) => `column${i + 1}`)
  const rows = header ? cells.slice(1) : cells
  return { format, delimiter, header, columns: columnsOf(names, rows), rows, whole: plain.slice(0, end) }
}

function columnsOf(names: string[], rows: string[][]): Column[] {
  return names.map((name, i) => {
    const header = name.trim()
    const values = rows.map((row) => row[i] ?? '')
    const { guess, problem } = inferColumn(values)
    const problems: Problem[] = []
    if (header === '') problems.push({ kind: 'blank' })
    else if (names.some((other, j) => j !== i && other.trim() === header)) problems.push({ kind: 'twice' })
    if (problem) problems.push(problem)
    const samples = [...new Set(values.filter((value) => value !== ''))].slice(0, 3)
    return { at: i, header, take: true, target: header, type: 'auto', dateFormat: '', guess, samples, problems }
  })
}

/** The name of a table for a file, as the command line makes it. */
export function tableOf(fileName: string): string {
  return fileName.replace(/(\.(csv|tsv|txt|json|ndjson|jsonl|gz|zst))+$/i, '').replace(/[^\p{L}\p{N}_]+/gu, '_')
}

/** The settings of an upload, as its form and tus' metadata have them. A setting that may come several times has a list. */
export function settingsOf(view: View | undefined, encoding: string, target: Target): Record<string, string[]> {
  const settings: Record<string, string[]> = {}
  const say = (name: string, ...values: string[]): void => {
    // A blank header is one that can be left out.
    if (values.length > 0 && (values[0] !== '' || name === 'skip')) settings[name] = values
  }
  say('table', target.table.trim())
  say('profile', target.profile.trim())
  say('maxErrors', target.maxErrors.trim())
  say('key', target.key.join(','))
  if (target.key.length > 0 && target.onConflict !== 'reject') say('onConflict', target.onConflict)
  const dedupe = dedupeOf(target)
  if (dedupe !== 'none') say('dedupe', dedupe)
  if (target.replace) say('replace', 'true')
  if (target.atomic) say('atomic', 'true')
  if (!view) return settings
  if (encoding !== 'utf-8' && view.format === 'delimited') say('encoding', encoding)
  if (view.format === 'delimited') {
    say('delimiter', view.delimiter === '\t' ? 'tab' : view.delimiter)
    say('header', String(view.header))
  } else say('format', view.format)
  // A profile says itself what the columns are.
  if (target.profile.trim() !== '') return settings
  const { columns } = view
  say('skip', ...columns.filter(({ take }) => !take).map(({ header }) => header))
  const taken = columns.filter(({ take }) => take)
  const typed = taken.some(({ type }) => type !== 'auto')
  if (typed) say('schema', JSON.stringify(schemaOf(columns)))
  else
    say(
      'map',
      ...taken.filter(({ header, target: name }) => name !== header).map((one) => `${one.header}=${one.target}`),
    )
  return settings
}

/** By a key only where there is one. */
function dedupeOf({ dedupe, key }: Target): Target['dedupe'] {
  return dedupe === 'key' && key.length === 0 ? 'none' : dedupe
}

function schemaOf(columns: readonly Column[]): { fields: Record<string, unknown>[] } {
  return { fields: columns.filter(({ take }) => take).map(fieldOf) }
}

function fieldOf({ header, target, type, guess, dateFormat }: Column): Record<string, unknown> {
  const field = { name: target, ...(target !== header && { source: header }) }
  const chosen = type === 'auto' ? guess : type
  if (chosen === 'email') return { ...field, type: 'string', format: 'email', transform: ['trim', 'lowercase'] }
  if (chosen === 'number-comma') return { ...field, type: 'number', decimalChar: ',', groupChar: '.' }
  if (chosen === 'number-grouped') return { ...field, type: 'number', groupChar: ',' }
  if ((chosen === 'date' || chosen === 'datetime') && dateFormat)
    return { ...field, type: chosen, format: [dateFormat] }
  return { ...field, type: chosen }
}

/** A profile for `SLUICE_PROFILES` that says the same. */
export function profileOf(view: View | undefined, encoding: string, target: Target): object {
  const { table, key, replace: _, maxErrors, atomic, onConflict } = target
  const dialect =
    view?.format === 'delimited'
      ? { delimiter: view.delimiter, header: view.header, ...(encoding !== 'utf-8' && { encoding }) }
      : view && { format: view.format }
  return {
    table,
    ...(view && { schema: schemaOf(view.columns), dialect }),
    ...(view?.columns.some(({ take }) => !take) && { unknownColumns: 'ignore' }),
    ...(key.length > 0 && { key }),
    ...(key.length > 0 && onConflict !== 'reject' && { onConflict }),
    ...(dedupeOf(target) !== 'none' && { dedupe: dedupeOf(target) }),
    ...(maxErrors.trim() !== '' && { maxErrors: maxErrors.endsWith('%') ? maxErrors : Number(maxErrors) }),
    ...(atomic && { atomic }),
  }
}
