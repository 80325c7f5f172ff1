import { ENCODINGS, type Sample } from '../file/sample.ts'
import { texts } from '../texts.ts'
import type { View } from './plan.ts'

/** How the file is read, and what the user may say instead. */
export function DialectView({ view, sample, said, say }: DialectProps) {
  const { preview } = texts
  if (view.format !== 'delimited') return <p className="dialect">{preview[view.format]}</p>
  const encodings = ENCODINGS.includes(sample.encoding) ? ENCODINGS : [sample.encoding, ...ENCODINGS]
  return (
    <fieldset className="dialect">
      <legend>{preview.read}</legend>
      <label className="field">
        <span>
          {preview.delimiter} <Evidence set={said.delimiter !== undefined} />
        </span>
        <select value={view.delimiter} onChange={(event) => say({ delimiter: event.target.value })}>
          {Object.entries(preview.delimiters).map(([sign, name]) => (
            <option key={sign} value={sign}>
              {name}
            </option>
          ))}
        </select>
      </label>
      <label className="field">
        <span>
          {preview.encoding} <Evidence set={said.encoding !== undefined} />
        </span>
        <select value={sample.encoding} onChange={(event) => say({ encoding: event.target.value })}>
          {encodings.map((name) => (
            <option key={name} value={name}>
              {name.toUpperCase()}
            </option>
          ))}
        </select>
      </label>
      <label className="check">
        <input type="checkbox" checked={view.header} onChange={(event) => say({ header: event.target.checked })} />
        <span>
          {preview.header} <Evidence set={said.header !== undefined} />
        </span>
      </label>
    </fieldset>
  )
}

interface DialectProps {
  view: View
  sample: Sample
  said: { delimiter?: string; header?: boolean; encoding?: string }
  say: (part: { delimiter?: string; header?: boolean; encoding?: string }) => void
}

function Evidence({ set }: { set: boolean }) {
  return <small className="evidence">{set ? texts.preview.found.set : texts.preview.found.found}</small>
}
