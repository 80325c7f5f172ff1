import { call, rejectsPath } from '../api.ts'
import { type Cell, readDelimited, writeLine } from '../file/delimited.ts'

/** Rejects that the page holds; beyond that the downloads are the better tool. */
export const MOST_REJECTS = 20_000

/** A record that was refused, as a line of the CSV of rejects. */
export interface RejectRow {
  record: string
  line: number
  column: string
  code: string
  message: string
  /** Cells of the source's own columns, as they are. */
  cells: Cell[]
  /** What sluice says of the record, to be sent back as it came. */
  own: Cell[]
  guarded: Set<number>
  /** It could not be taken apart, and stands as it is in the first cell. */
  isWhole: boolean
}

export interface Rejects {
  /** Names of the source's columns. */
  columns: string[]
  head: Cell[]
  rows: RejectRow[]
  more: boolean
}

/** Codes of records that have no cells. */
const WHOLE = ['quote-error', 'json-error', 'record-too-large']
const OWN = 'sluice_record'

/** Reads the CSV of the open rejects as far as the page shows it. */
export async function fetchRejects(uploadId: string, signal: AbortSignal): Promise<Rejects> {
  const answer = await call(rejectsPath(uploadId, 'csv'), { signal })
  const reader = answer.body!.pipeThrough(new TextDecoderStream()).getReader()
  const records: Cell[][] = []
  let rest = ''
  for (let done = false; !done && records.length <= MOST_REJECTS; ) {
    const read = await reader.read()
    done = read.done
    rest += read.value ?? ''
    const { records: some, end } = readDelimited(rest, { delimiter: ',' }, done)
    for (const record of some) records.push(record)
    rest = rest.slice(end)
  }
  await reader.cancel()
  const [head = [], ...lines] = records
  // A column of the source could have the name as well; sluice's own are the last ones.
  const own = head.findLastIndex(({ text }) => text === OWN)
  const columns = head.slice(0, own).map(({ text }) => text)
  return {
    columns,
    head,
    rows: lines.slice(0, MOST_REJECTS).map((line) => rowOf(line, columns, own)),
    more: lines.length > MOST_REJECTS,
  }
}

function rowOf(line: Cell[], columns: string[], own: number): RejectRow {
  const [record, at, column, code, message, names] = line.slice(own).map(({ text }) => text)
  const marked = (names ?? '')
    .split(' ')
    .filter((name) => name !== '')
    .map(nameOf)
  const guarded = new Set(
    columns.flatMap((name, i) => (marked.includes(name) || marked.includes(name.slice(1)) ? [i] : [])),
  )
  const cells = line
    .slice(0, own)
    .map(({ text, quoted }, i) => ({ text: guarded.has(i) ? text.replace(/^'/, '') : text, quoted }))
  return {
    record: record ?? '',
    line: Number(at),
    column: column ?? '',
    code: code ?? '',
    message: message ?? '',
    cells,
    own: line.slice(own),
    guarded,
    isWhole: cells.length > 1 && WHOLE.includes(code ?? '') && cells.slice(1).every(({ text }) => text === ''),
  }
}

/** Undoes the escapes of a name in `sluice_guarded`. */
function nameOf(word: string): string {
  if (word === '%') return ''
  try {
    return decodeURIComponent(word)
  } catch {
    return word
  }
}

/** Corrections of a record: cells by their column's number. */
export type Edits = ReadonlyMap<string, ReadonlyMap<number, string>>

/** The corrected records in the form that replay takes. */
export function correctionsCsv({ head, rows }: Rejects, edits: Edits): string {
  const lines = rows.flatMap((row) => {
    const changed = edits.get(row.record)
    if (!changed) return []
    const cells = row.cells.map((cell, i) => {
      const text = changed.get(i)
      const kept = text === undefined ? cell : { text, quoted: false }
      // sluice_guarded still names the column, so the apostrophe that it tells of has to be there.
      return row.guarded.has(i) ? { text: `'${kept.text}`, quoted: kept.quoted } : kept
    })
    return [writeLine([...cells, ...row.own])]
  })
  return writeLine(head) + lines.join('')
}
