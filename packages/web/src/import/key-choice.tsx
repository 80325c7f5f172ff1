import { texts } from '../texts.ts'
import type { Column } from './plan.ts'

/** One column or several, in the order in which they are chosen. */
export function KeyChoice({ columns, chosen, choose }: KeyProps) {
  const { target: words } = texts
  const left = columns.filter(({ target: name }) => name !== '' && !chosen.includes(name))
  return (
    <div className="field">
      <label htmlFor="key-column">{words.key}</label>
      {chosen.length > 0 && (
        <ul className="key-columns">
          {chosen.map((name) => (
            <li key={name}>
              <button
                type="button"
                className="chip"
                aria-label={words.notKey(name)}
                onClick={() => choose(chosen.filter((other) => other !== name))}
              >
                {name} <span aria-hidden="true">×</span>
              </button>
            </li>
          ))}
        </ul>
      )}
      <select id="key-column" value="" onChange={(event) => choose([...chosen, event.target.value])}>
        <option value="">{chosen.length > 0 ? words.furtherKey : words.noKey}</option>
        {left.map(({ target: name, at }) => (
          <option key={at} value={name}>
            {name}
          </option>
        ))}
      </select>
      <small>{words.keyHint}</small>
    </div>
  )
}

interface KeyProps {
  columns: Column[]
  chosen: string[]
  choose: (key: string[]) => void
}
