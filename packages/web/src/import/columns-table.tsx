import { type ColumnType, FORMATS, type Problem } from '../file/infer.ts'
import { texts } from '../texts.ts'
import type { Column } from './plan.ts'

const TYPES = Object.keys(texts.columns.types) as ColumnType[]

/** Where each column goes, and what it holds. */
export function ColumnsTable({ columns, edit }: ColumnsProps) {
  const { columns: words } = texts
  return (
    <section className="block">
      <h2>{words.title}</h2>
      <p className="hint">{words.lead}</p>
      {columns.every(({ take }) => !take) && <p className="bad">{words.none}</p>}
      <table className="columns">
        <thead>
          <tr>
            <th scope="col">
              <span className="visually-hidden">{words.take}</span>
            </th>
            <th scope="col">{words.source}</th>
            <th scope="col">{words.target}</th>
            <th scope="col">{words.type}</th>
            <th scope="col">{words.samples}</th>
          </tr>
        </thead>
        <tbody>
          {columns.map((column) => (
            <Row key={column.at} column={column} edit={(part) => edit(column.at, part)} />
          ))}
        </tbody>
      </table>
    </section>
  )
}

interface ColumnsProps {
  columns: Column[]
  edit: (index: number, part: Partial<Column>) => void
}

function Row({ column, edit }: { column: Column; edit: (part: Partial<Column>) => void }) {
  const { columns: words } = texts
  const { header, take, target, type, guess, dateFormat, samples, problems } = column
  const formats = FORMATS[type]
  return (
    <tr className={take ? '' : 'left-out'}>
      <td>
        <input
          type="checkbox"
          aria-label={words.takeOne(header)}
          checked={take}
          onChange={(event) => edit({ take: event.target.checked })}
        />
      </td>
      <th scope="row">{header || '–'}</th>
      <td>
        <input
          className={`input ${target === header ? '' : 'changed'}`}
          aria-label={words.targetOf(header)}
          value={target}
          disabled={!take}
          onChange={(event) => edit({ target: event.target.value })}
        />
      </td>
      <td className="columns-type">
        <select
          aria-label={words.typeOf(header)}
          className={type === 'auto' ? '' : 'changed'}
          value={type}
          disabled={!take}
          onChange={(event) => edit({ type: event.target.value as ColumnType, dateFormat: '' })}
        >
          {TYPES.map((one) => (
            <option key={one} value={one}>
              {one === 'auto' ? words.auto(words.types[guess]) : words.types[one]}
            </option>
          ))}
        </select>
        {formats && (
          <select
            aria-label={words.dateFormatOf(header)}
            value={dateFormat}
            onChange={(event) => edit({ dateFormat: event.target.value })}
          >
            <option value="">{type === 'date' ? words.isoDate : words.isoTime}</option>
            {formats.map((format) => (
              <option key={format} value={format}>
                {readable(format)}
              </option>
            ))}
          </select>
        )}
      </td>
      <td className="columns-samples">
        <span className="samples">
          {samples.map((sample) => (
            <q key={sample}>{sample}</q>
          ))}
        </span>
        {take &&
          problems
            .filter(({ kind }) => type === 'auto' || !SOLVED.includes(kind))
            .map((problem) => (
              <p key={problem.kind}>
                {wordsOf(problem)}
                {problem.kind === 'mixed' && (
                  <button type="button" className="link" onClick={() => edit({ type: problem.type })}>
                    {words.make(words.types[problem.type])}
                  </button>
                )}
              </p>
            ))}
      </td>
    </tr>
  )
}

/** Problems that a type which is chosen does away with. */
const SOLVED = ['ambiguous', 'zeros', 'mixed']

/** A strptime pattern as people write it. */
const readable = (format: string): string => format.replaceAll(/%(\w)/g, (_, sign: string) => PATTERN_WORDS[sign]!)
const PATTERN_WORDS: Record<string, string> = {
  Y: 'YYYY',
  m: 'MM',
  d: 'DD',
  H: 'hh',
  I: 'hh',
  M: 'mm',
  S: 'ss',
  p: 'AM',
}

function wordsOf(problem: Problem): string {
  const { problems, types } = texts.columns
  return problem.kind === 'mixed'
    ? problems.mixed(problem.share, types[problem.type], problem.example)
    : problems[problem.kind]
}
