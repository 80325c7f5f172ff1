import { texts } from '../texts.ts'
import type { View } from './plan.ts'

const SHOWN = 8

/** The first records, as they are read. */
export function PreviewTable({ view: { columns, rows } }: { view: View }) {
  const shown = rows.slice(0, SHOWN)
  return (
    <section className="block">
      <h2>{texts.preview.title}</h2>
      {/* biome-ignore lint/a11y/noNoninteractiveTabindex: what scrolls can be scrolled by keyboard */}
      <section className="table-box" tabIndex={0} aria-label={texts.preview.title}>
        <table className="preview">
          <caption className="visually-hidden">{texts.preview.caption(shown.length)}</caption>
          <thead>
            <tr>
              {columns.map(({ at: i, header, take }) => (
                <th key={i} scope="col" className={take ? '' : 'left-out'}>
                  {header || '–'}
                </th>
              ))}
            </tr>
          </thead>
          <tbody>
            {shown.map((row, at) => (
              // biome-ignore lint/suspicious/noArrayIndexKey: records have no other name, and keep their order
              <tr key={at}>
                {columns.map(({ at: i, take, guess }) => (
                  <td
                    key={i}
                    className={`${take ? '' : 'left-out'} ${guess === 'integer' || guess === 'number' ? 'number' : ''}`}
                  >
                    {row[i] || <span className="nothing">–</span>}
                  </td>
                ))}
              </tr>
            ))}
          </tbody>
        </table>
      </section>
    </section>
  )
}
